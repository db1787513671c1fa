"""Remove audit records after their retention time: whole years, by dropping their partitions.

The owner of the tables drops the partitions. The same transaction writes into the log of each
tenant which years were removed, and by which operation. The seals stay, so the rest still verifies.
"""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from psycopg2 import sql
from psycopg2.extensions import connection
from uuid_utils.compat import uuid7

from trially.audit.actors import operator_name
from trially.audit.finding import first_id
from trially.audit.forms import Action, Form, Purpose
from trially.config import current_settings
from trially.errors import OperatorError
from trially.state import app_state
from trially.tenancy.advisory_locks import tenant_lock_key
from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.lifecycle.operations import unfinished_operations
from trially.tenancy.migrating.places import Place, read_places
from trially.tenancy.schema.databases import as_owner
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import driver_connection, execute
from trially.tenancy.tiers import TIERS

FORM = Form("audit prune", Action.OPERATE, Purpose.OPERATION)

_PARTITIONS = """
    SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = 'audit_record'::regclass ORDER BY relname
"""
_YEAR = re.compile(r"audit_record_(\d{4})\Z")
_UNSEALED = """
    SELECT count(*) FROM audit_record WHERE tenant_id = %(tenant_id)s AND id < %(end)s
    AND (epoch, transaction_id, id) > (
        SELECT coalesce(max(last[1]::int), 0), coalesce(max(last[2]::bigint), 0),
            coalesce(max(last[3]), '00000000-0000-0000-0000-000000000000')::uuid
        FROM audit_seal WHERE tenant_id = %(tenant_id)s
        AND number = (SELECT max(number) FROM audit_seal WHERE tenant_id = %(tenant_id)s))
"""
_RECORD = """
    INSERT INTO audit_form (tenant_id, id, route, action, purpose, fields)
    VALUES (%(tenant_id)s, %(form_id)s, %(route)s, %(action)s, %(purpose)s, '[]')
    ON CONFLICT DO NOTHING;
    INSERT INTO audit_record (tenant_id, id, form_id, epoch, outcome, operator, details)
    VALUES (%(tenant_id)s, %(id)s, %(form_id)s, %(epoch)s, 0, %(operator)s, %(details)s);
    INSERT INTO audit_pruning (tenant_id, id, year, record_id, operator)
    SELECT %(tenant_id)s, gen_random_uuid(), year, %(id)s, %(operator)s
    FROM unnest(%(years)s::int[]) AS year;
"""


class PruningRefusedError(OperatorError):
    """Audit records must not be removed, or not in this way."""


@dataclass(frozen=True)
class Pruned:
    """What was removed from the tables of one place."""

    place: str
    slugs: Sequence[str]
    years: Sequence[int]


def check_retention(before: int) -> None:
    """Raise `PruningRefusedError` if the retention time of the last year has not ended."""
    years = current_settings().audit_retention_years
    latest = dt.datetime.now(dt.UTC).year - years
    if before > latest:
        raise PruningRefusedError(
            f"Audit records are kept for {years} full years (TRIALLY_AUDIT_RETENTION_YEARS). Only"
            f" those before {latest} may be removed now. Use --before {latest} or an earlier year."
        )


def places_to_prune(slug: str | None) -> list[Place]:
    """Return the places of all tenants, or that of one. Raises `PruningRefusedError`."""
    places = [each for each in read_places() if each.records]
    if slug is None:
        return places
    chosen = [each for each in places if slug in each.slugs]
    if not chosen:
        raise PruningRefusedError(
            f"The tenant {slug!r} does not exist. `flask tenants list` shows all tenants."
        )
    if TIERS[chosen[0].tier].shares_tables:
        raise PruningRefusedError(
            f"The tenant {slug} shares its tables, and a partition has the records of all tenants"
            " in them. Use --all."
        )
    return chosen


def prune_place(place: Place, before: int) -> Pruned:
    """Drop the partitions of the years before `before`, and record it for each tenant.

    Raises `PruningRefusedError` if a record in them has no seal yet, or a tenant has moved or is
    being moved: a dropped partition is no change of rows that a move could follow.
    """
    check_retention(before)
    _refuse_moving_tenants(place)
    with as_owner(server_access(place.server), place.database) as owned:
        raw = driver_connection(owned)
        execute(raw, "SET LOCAL lock_timeout = '5s'")
        execute(raw, "SELECT set_config('search_path', %s, true)", f"{place.schema}, pg_temp")
        years = _years_before(raw, before)
        if years:
            for record in place.records:
                _record(raw, record, years)
            for year in years:
                execute(
                    raw, sql.SQL("DROP TABLE {}").format(sql.Identifier(f"audit_record_{year}"))
                )
        raw.commit()
        return Pruned(str(place), place.slugs, years)


def _years_before(raw: connection, before: int) -> list[int]:
    names = (match for (name,) in execute(raw, _PARTITIONS) if (match := _YEAR.match(name)))
    return [year for match in names if (year := int(match[1])) < before]


def _record(raw: connection, record: PlacementRecord, years: Sequence[int]) -> None:
    """Write into a tenant's log which years are removed. Row security is forced on the owner."""
    tenant_id = str(record.tenant_id)
    _enter(raw, record)
    execute(raw, "SELECT set_config('trially.tenant_id', %s, true)", tenant_id)
    _refuse_longer_retention(raw, record, max(years))
    end = first_id(dt.datetime(max(years) + 1, 1, 1, tzinfo=dt.UTC))
    with raw.cursor() as cursor:
        cursor.execute(_UNSEALED, {"tenant_id": tenant_id, "end": str(end)})
        (unsealed,) = cursor.fetchone() or (0,)
        if unsealed:
            raise PruningRefusedError(
                f"{unsealed} records of the tenant {record.tenant.slug} have no seal yet. Run"
                f" `flask audit seal {record.tenant.slug}` first."
            )
        cursor.execute(_RECORD, _values(record, years))


def _refuse_longer_retention(raw: connection, record: PlacementRecord, last: int) -> None:
    """Raise `PruningRefusedError` if a tenant's own settings keep the records of a year longer."""
    if execute(raw, "SELECT to_regclass('tenant_setting')") == [(None,)]:
        return  # The tenant is not migrated yet.
    rows = execute(
        raw,
        "SELECT audit_retention_years FROM tenant_setting"
        " WHERE tenant_id = %s AND audit_retention_years IS NOT NULL",
        str(record.tenant_id),
    )
    for (years,) in rows:
        latest = dt.datetime.now(dt.UTC).year - years
        if last >= latest:
            raise PruningRefusedError(
                f"The settings of the tenant {record.tenant.slug} keep audit records for {years}"
                f" full years. Use --before {latest} or an earlier year."
            )


def _enter(raw: connection, record: PlacementRecord) -> None:
    """Do what the guard does: take the tenant's lock, and refuse a tenant that has moved since."""
    tenant_id = str(record.tenant_id)
    execute(raw, f"SELECT pg_advisory_xact_lock_shared({tenant_lock_key('%s::uuid')})", tenant_id)
    epochs = execute(raw, "SELECT epoch FROM trially.placement WHERE tenant_id = %s", tenant_id)
    if epochs != [(record.epoch,)]:
        raise PruningRefusedError(
            f"The placement of the tenant {record.tenant.slug} has changed. Run the command again."
        )


def _values(record: PlacementRecord, years: Sequence[int]) -> dict[str, Any]:
    action = app_state().running_action
    details = {
        "pruned_years": list(years),
        "operation": None if action is None else str(action.id),
    }
    return {
        "tenant_id": str(record.tenant_id),
        "id": str(uuid7()),
        "epoch": record.epoch,
        "operator": operator_name(),
        "form_id": str(FORM.id),
        "route": FORM.route,
        "action": FORM.action.value,
        "purpose": FORM.purpose.value,
        "details": orjson.dumps(details).decode(),
        "years": list(years),
    }


def _refuse_moving_tenants(place: Place) -> None:
    here = {record.tenant_id for record in place.records}
    for operation in unfinished_operations():
        if operation.tenant_id in here:
            raise PruningRefusedError(
                f"The operation {operation.id} ({operation.kind}) of the tenant"
                f" {operation.tenant_slug} is not finished. Prune when it is:"
                " `flask operations list`."
            )
