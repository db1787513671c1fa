"""The operation that restores a tenant to a point in time, as a new tenant beside it."""

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from trially.keys import current_keys
from trially.tenancy.archives.loading import NOT_LOADED
from trially.tenancy.archives.revisions import at_revision, is_older
from trially.tenancy.archives.signals import rows_loaded, tenant_restored
from trially.tenancy.catalog import Operation, Server, Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.encrypting.adopting import adopt_rows
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.lifecycle.moving.guards import CLOSED, read_epoch
from trially.tenancy.lifecycle.moving.indexes import create_indexes, set_indexes_aside
from trially.tenancy.lifecycle.moving.moves import MoveOptions, move_tenant
from trially.tenancy.lifecycle.moving.progress import MoveProgress
from trially.tenancy.lifecycle.moving.removing import remove_rows
from trially.tenancy.lifecycle.moving.sides import Side, side_of
from trially.tenancy.lifecycle.moving.tables import common_tables, read_tables
from trially.tenancy.lifecycle.operations import KINDS, OperationKind, Step, run_operation
from trially.tenancy.lifecycle.provisioning import activate, begin_tenant, tenant_like
from trially.tenancy.lifecycle.storage_steps import STORAGE_STEPS, record_of, remove_tenant
from trially.tenancy.recovery.clusters import RecoveredCluster, cluster_of, require_room
from trially.tenancy.recovery.copying import copy_rows, empty
from trially.tenancy.recovery.errors import OutsideIntervalError, RecoveryError
from trially.tenancy.recovery.intervals import choose_backup
from trially.tenancy.recovery.past_placements import PastPlacement, placement_at
from trially.tenancy.recovery.times import check_time
from trially.tenancy.recovery.tools import tool_of
from trially.tenancy.recovery.wal_streams import store_until_now
from trially.tenancy.schema.revision_files import TENANT_LINEAGE, revisions_of
from trially.tenancy.schema.revisions import read_revision
from trially.tenancy.servers.access import ServerAccess, server_access
from trially.tenancy.servers.choice import choose_server
from trially.tenancy.tiers import DEFAULT_TIER, TIERS, tier_of
from trially.tenancy.tiers.shared_databases import has_database


@dataclass(frozen=True)
class RestoreAtOptions:
    """Where a tenant is restored to."""

    name: str | None = None
    """The name of the organisation; by default the present name of the source, and the time."""

    tier: Tier | None = None
    """By default the tier that the tenant had at the time."""

    server: str | None = None
    """By default the emptiest server of the tenant's region."""


class OlderRevisionError(RecoveryError):
    """The rows have an older revision, and the new tenant's tables are shared."""


def restore_at(slug: str, at: dt.datetime, new_slug: str, options: RestoreAtOptions) -> Operation:
    """Restore a tenant as it was at a time, as a new tenant, and return the operation.

    The tenant itself is not changed. If a step fails, nothing of the new tenant is left.
    Raises `UnknownTenantError`, `InvalidSlugError`, `TenantExistsError`, `NoServerError`,
    `NoFittingServerError`, `NoBackupError`, `OutsideIntervalError` or another `RecoveryError`.
    """
    check_time(at)
    source = get_tenant(slug)
    past = placement_at(source.id, at)
    wanted = options.tier or past.tier
    try:
        return _restore(source, at, new_slug, past, wanted, options)
    except OlderRevisionError:
        # Shared tables are at the newest revision only, so the rows are migrated elsewhere first.
        operation = _restore(source, at, new_slug, past, DEFAULT_TIER, options)
    move_tenant(new_slug, wanted, None, MoveOptions(keep_seconds=0))
    return operation


def describe_restore(operation: Operation) -> dict[str, Any]:
    """Return what a restore did. `recovery_seconds` is how long the cluster took to reach TIME."""
    values = operation.parameters
    return {
        "operation": str(operation.id),
        "slug": operation.tenant_slug,
        "source": values["source_slug"],
        "at": values["at"],
        "base_backup": values["backup"],
        "state": operation.state,
        **values.get("result", {}),
    }


def _restore(
    source: Tenant,
    at: dt.datetime,
    new_slug: str,
    past: PastPlacement,
    tier: Tier,
    options: RestoreAtOptions,
) -> Operation:
    name = options.name or f"{source.name} at {at.isoformat()}"
    tenant = tenant_like(source, new_slug, name, source.settings)
    with catalog_transaction() as session:
        backed_up = session.scalars(select(Server).where(Server.name == past.server)).one()
    tool = tool_of(backed_up)
    backup = choose_backup(backed_up, tool, at)
    require_room(backup.bytes)
    parameters = {
        "source": str(source.id),
        "source_slug": source.slug,
        "at": at.isoformat(),
        "backup": backup.id,
        "past": vars(past),
    }
    with catalog_transaction() as session:
        server = choose_server(session, tier, source.region, options.server)
        operation = begin_tenant(session, RESTORE_AT.name, tenant, TIERS[tier], server, parameters)
    return run_operation(operation.id)


def _recover(operation: Operation) -> None:
    """Lay the base backup and its WAL, unless an interrupted attempt has done so."""
    server, cluster = _server_of(operation), _cluster_of(operation)
    if cluster.is_laid:
        return
    at = dt.datetime.fromisoformat(operation.parameters["at"])
    tool = tool_of(server)
    store_until_now(server_access(server.name), tool)
    backup = next(each for each in tool.base_backups() if each.id == operation.parameters["backup"])
    cluster.create()
    cluster.configure(tool.lay(backup, at, cluster.directory), at)


def _copy(operation: Operation) -> None:
    """Start the cluster, and copy the tenant's rows of that time."""
    record, past = record_of(operation), PastPlacement(**operation.parameters["past"])
    progress = MoveProgress()
    progress.begin("recover")
    with _cluster_of(operation).running() as url:
        source = Side(
            ServerAccess("recovered cluster", url, current_keys()),
            past.database,
            past.schema,
            UUID(operation.parameters["source"]),
            TIERS[Tier(past.tier)].shares_tables,
        )
        with source.administered() as raw:
            if read_epoch(raw, source.tenant_id) in (CLOSED, None):
                raise OutsideIntervalError(
                    f"At {operation.parameters['at']} the tenant was just being created or moved."
                    " Choose a time some seconds earlier or later."
                )
            revision = _check_revision(read_revision(raw, past.schema), Tier(record.tier))
        progress.copy_seconds = progress.seconds
        target_side = side_of(record)
        if is_older(revision):
            _empty_tables(target_side)
        progress.begin("copy")
        with at_revision(record, revision):
            tables = [
                each for each in common_tables(source, target_side) if each.name not in NOT_LOADED
            ]
            with source.reading() as ours, target_side.writing() as theirs:
                set_indexes_aside(theirs, operation)
                copy_rows(ours, theirs, tables, progress)
                create_indexes(theirs, operation)
    adopt_rows(record, UUID(operation.parameters["source"]))
    rows_loaded.send(
        record,
        source_tenant_id=UUID(operation.parameters["source"]),
        snapshot_at=dt.datetime.fromisoformat(operation.parameters["at"]),
    )
    _record_result(operation, progress)


def _check_revision(revision: str | None, tier: Tier) -> str:
    """Return the revision of the recovered rows, or raise `RecoveryError` if it is unknown."""
    if revision is None or revision not in revisions_of(TENANT_LINEAGE):
        raise RecoveryError(
            f"At that time the tables had the revision {revision}, which this version of trially"
            " does not know. Restore with the version that the server ran."
        )
    if is_older(revision) and TIERS[tier].shares_tables:
        raise OlderRevisionError(f"The rows of the revision {revision} have to be migrated first.")
    return revision


def _empty_tables(side: Side) -> None:
    """Delete what an interrupted attempt has copied."""
    tables = read_tables(side).values()
    with side.writing() as session:
        for table in tables:
            empty(session, table)


def _record_result(operation: Operation, progress: MoveProgress) -> None:
    result = {
        "rows": progress.rows,
        "bytes": progress.bytes,
        "recovery_seconds": round(progress.copy_seconds, 3),
        "seconds": round(progress.seconds, 3),
    }
    operation.parameters = {**operation.parameters, "result": result}
    with catalog_transaction() as session:
        session.execute(
            update(Operation)
            .where(Operation.id == operation.id)
            .values(parameters=operation.parameters)
        )


def _remove_cluster(operation: Operation) -> None:
    _cluster_of(operation).remove()


def _index(_session: Session, operation: Operation) -> None:
    record = record_of(operation)
    tenant_restored.send(tier_of(record).placement(record))


def _undo(session: Session, operation: Operation) -> None:
    _remove_cluster(operation)
    record = record_of(operation)
    if has_database(record):  # It may not exist yet, because the cluster is recovered first.
        remove_rows(side_of(record), lambda: None)
    remove_tenant(session, operation)


def _cluster_of(operation: Operation) -> RecoveredCluster:
    administrator = server_access(operation.parameters["past"]["server"]).admin_url.username
    return cluster_of(operation.id, str(administrator))


def _server_of(operation: Operation) -> Server:
    with catalog_transaction() as session:
        name = operation.parameters["past"]["server"]
        return session.scalars(select(Server).where(Server.name == name)).one()


RESTORE_AT = OperationKind(
    name="restore_at",
    steps=(
        Step("recover", work=_recover),
        *STORAGE_STEPS,
        Step("copy_rows", work=_copy),
        Step("remove_cluster", work=_remove_cluster),
        Step("index_members", _index),
        Step("activate", activate, joins_previous=True),
    ),
    undo=_undo,
    creates_tenant=True,
)
KINDS[RESTORE_AT.name] = RESTORE_AT
