"""Put an archive in the place of its tenant's rows. The audit log goes on, and is not replaced.

The present rows are archived first, so that they can be restored in turn. The archive is loaded
into a new placement while the tenant works at the present one. Then the tenant switches as in a
move, so it has the old rows or the new ones, never neither.
"""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from trially.tenancy.archives.backups import BackupOptions, back_up
from trially.tenancy.archives.errors import ForeignArchiveError
from trially.tenancy.archives.loading import AUDIT_LOG, tables_of
from trially.tenancy.archives.manifest import Manifest
from trially.tenancy.archives.model import Archive
from trially.tenancy.archives.restoring import (
    RestoreOptions,
    first_tier,
    load_archive,
    parameters_of,
)
from trially.tenancy.archives.signals import tenant_restored
from trially.tenancy.catalog import Operation, PlacementRecord, Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import catalog_transaction, control_engine
from trially.tenancy.lifecycle.attempts import check_attempt
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.lifecycle.moving.copying import copy_snapshot
from trially.tenancy.lifecycle.moving.guards import fence
from trially.tenancy.lifecycle.moving.interrupted import finish_interrupted
from trially.tenancy.lifecycle.moving.moves import (
    MoveOptions,
    allocate_target,
    begin_move,
    move_tenant,
    run_move,
)
from trially.tenancy.lifecycle.moving.numbering import continue_numbers
from trially.tenancy.lifecycle.moving.plan import MovePlan, plan_of, read_plan
from trially.tenancy.lifecycle.moving.progress import MoveProgress
from trially.tenancy.lifecycle.moving.sides import SideSession
from trially.tenancy.lifecycle.moving.source_locks import locked_when_free
from trially.tenancy.lifecycle.moving.steps import create_target, give_up_target
from trially.tenancy.lifecycle.moving.switching import SWITCH, Switch, commit_softly, lock_tenant
from trially.tenancy.lifecycle.moving.tables import MovedTable
from trially.tenancy.lifecycle.operations import KINDS, OperationKind, Step
from trially.tenancy.lifecycle.status import find_to_change
from trially.tenancy.servers.choice import choose_server
from trially.tenancy.tiers import TIERS, tier_of

BRIEFLY = MoveOptions(keep_seconds=3600)
"""The former placement is closed, and removed an hour later by `flask tenants settle-moves`.

Its rows are in an archive. But as long as the catalog does not answer, requests may be sent there,
and only a guard that is closed sends them on.
"""


def replace_with(
    url: str, slug: str, manifest: Manifest, options: RestoreOptions, backup: BackupOptions
) -> Archive:
    """Replace the rows of the archive's own tenant. Return an archive of the rows before.

    What is written between that archive and the switch is lost. Raises `ForeignArchiveError` for
    the archive of another tenant, and what a restore and a move raise. If a step before the switch
    fails, the tenant is as it was.
    """
    refuse_foreign(manifest, get_tenant(slug))
    before = back_up(slug, backup)
    with catalog_transaction() as session:
        tenant = find_to_change(session, slug)
        source = tenant.placement
        wanted = options.tier or Tier(source.tier)
        tier = TIERS[first_tier(manifest, wanted)]
        name = options.server or source.server.name
        server = choose_server(session, tier.tier, tenant.region, name)
        target = allocate_target(session, tenant, tier, server)
        operation = begin_move(
            session,
            REPLACE,
            tenant,
            target,
            BRIEFLY,
            was_kept=False,
            **parameters_of(url, manifest),
        )
    run_move(operation)
    if tier.tier is not wanted:
        move_tenant(slug, wanted, None, BRIEFLY)
    return before


def refuse_foreign(manifest: Manifest, tenant: Tenant) -> None:
    """Raise `ForeignArchiveError` if an archive is of another tenant."""
    if manifest.header.tenant_id != tenant.id:
        raise ForeignArchiveError(
            f"The archive is of the tenant {manifest.header.tenant_id} (then {manifest.slug!r}),"
            f" not of {tenant.slug!r}. `--as` restores it as a new tenant."
        )


def _load(operation: Operation) -> None:
    with Session(control_engine(), expire_on_commit=False) as session:
        record = session.get_one(PlacementRecord, plan_of(operation).target_id)
    load_archive(record, operation)


def _hand_over(operation: Operation) -> None:
    """Switch to the new placement. The audit log is copied first, and its end under the lock."""
    plan, progress = plan_of(operation), MoveProgress()
    with plan.target.writing() as target:
        with catalog_transaction() as session:
            check_attempt(session, operation)
        if operation.attempts > 1 and finish_interrupted(plan, progress):
            return
        tables = tables_of(target)
        log = [table for name, table in tables.items() if name in AUDIT_LOG]
        _copy_log(plan, target, log, progress)
        with (
            Session(control_engine()) as catalog,
            plan.target.administered() as opening,
            plan.source.administered() as locking,
        ):
            commit_softly(locking, waits=plan.source.waits_for_disk)
            tenant = lock_tenant(catalog, plan)
            progress.begin("lock")
            with locked_when_free(locking, plan.source):
                _copy_log(plan, target, log, progress)
                with plan.source.reading() as source:
                    # The log names patients by numbers, so none of them is given again.
                    continue_numbers(source, target, list(tables.values()))
                switch = Switch(catalog, tenant, plan, opening)
                progress.begin("fence")
                fence(locking, plan.tenant_id)
                switch.carry_out(progress)
                progress.begin("unlock")


def _copy_log(
    plan: MovePlan, target: SideSession, tables: Sequence[MovedTable], progress: MoveProgress
) -> None:
    """Copy what differs in the tables of the audit log."""
    with plan.source.reading() as holder:
        holder.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        [(snapshot,)] = holder.run("SELECT pg_export_snapshot()")
        copy_snapshot(plan.source, target, snapshot, tables, progress)


def _index(session: Session, operation: Operation) -> None:
    record = session.get_one(PlacementRecord, read_plan(session, operation).target_id)
    tenant_restored.send(tier_of(record).placement(record))


def _undo(session: Session, operation: Operation) -> None:
    give_up_target(session, read_plan(session, operation))


REPLACE = OperationKind(
    name="replace",
    steps=(
        Step("create_target", create_target),
        Step("load_rows", work=_load),
        Step(SWITCH, work=_hand_over),
        Step("index_members", _index),
    ),
    undo=_undo,
    final_from=SWITCH,
)
KINDS[REPLACE.name] = REPLACE
