"""Apply one migration to one place, with all that follows it, in one transaction."""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress

import psycopg2
from psycopg2.extensions import connection
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from trially.errors import OperatorError
from trially.tenancy.migrating.places import Place
from trially.tenancy.schema.protection import check_tables
from trially.tenancy.schema.stepping import Steps, apply_step
from trially.tenancy.servers.connections import driver_connection, execute
from trially.tenancy.tiers import TIERS
from trially.tenancy.tiers.tenant_tables import exempt_owner_sql

INSUFFICIENT_PRIVILEGE = "42501"

_BOUND_TABLES = """
SELECT relname FROM pg_class
WHERE relnamespace = to_regnamespace(%s) AND relkind IN ('r', 'p') AND relforcerowsecurity
"""


class UnfilledError(OperatorError):
    """A migration removes what a backfill of the tenant still needs."""


def apply(
    place: Place,
    owned: Connection,
    steps: Steps,
    former: str | None,
    revision: str,
    finish: Callable[[], None],
) -> None:
    """Apply one migration; if it reads or writes rows of shared tables, with an exemption.

    Row security binds the owner of shared tables too, and `row_security = off` makes a statement
    fail whose rows it would hide. Then the migration is applied again with the owner exempt on
    the tables that the statement names, so that only these are locked; and at last on all.
    """
    raw = driver_connection(owned)
    if needed := steps.backfills[revision]:
        _refuse_unfilled(place, raw, needed)
    exempt: frozenset[str] = frozenset()

    def end() -> None:
        check_tables(raw, place.schema)
        finish()

    def begin() -> None:
        if exempt:
            execute(raw, exempt_owner_sql(place.schema, exempt))

    while True:
        try:
            apply_step(steps, owned, place.schema, revision, former=former, before=begin, after=end)
        except BaseException as error:
            if revision in steps.autocommitting:
                _restore(raw, finish)
            more = _hidden_tables(place, raw, error, exempt)
            if not more:
                raise
            exempt |= more
        else:
            return


def _refuse_unfilled(place: Place, raw: connection, needed: Sequence[str]) -> None:
    """Raise `UnfilledError` if a backfill of a tenant is not done."""
    for record in place.records:
        tenant_id = str(record.tenant_id)
        execute(
            raw,
            "SELECT set_config('row_security', 'on', true),"
            " set_config('trially.tenant_id', %s, true)",
            tenant_id,
        )
        done = execute(
            raw,
            "SELECT name FROM backfill_progress WHERE tenant_id = %s AND state = 'done'",
            tenant_id,
        )
        raw.rollback()
        if missing := sorted(set(needed) - {name for (name,) in done}):
            slug = record.tenant.slug
            raise UnfilledError(
                f"The backfill {missing[0]} of {slug} is not done. Run"
                f" `flask tenants backfill run {slug}` first."
            )


def _hidden_tables(
    place: Place, raw: connection, error: BaseException, exempt: frozenset[str]
) -> frozenset[str]:
    """Return more tables that a refused statement names; if there are none, all that are left."""
    if not (TIERS[place.tier].has_row_security and isinstance(error, DBAPIError)):
        return frozenset()
    if getattr(error.orig, "pgcode", None) != INSUFFICIENT_PRIVILEGE:
        return frozenset()
    raw.rollback()
    tables = frozenset(name for (name,) in execute(raw, _BOUND_TABLES, place.schema)) - exempt
    raw.rollback()
    named = tables & frozenset(re.findall(r"\w+", error.statement or ""))
    return named or tables


def _restore(raw: connection, finish: Callable[[], None]) -> None:
    """Set grants and row security again, after a migration that failed when it had committed."""
    with suppress(psycopg2.Error):
        raw.rollback()
        finish()
        raw.commit()
