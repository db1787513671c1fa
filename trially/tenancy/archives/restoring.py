"""Restore an archive as a new tenant."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from trially.tenancy.archives.bare_tables import create_keys, creating_indexes, set_keys_aside
from trially.tenancy.archives.errors import ArchiveError, ForeignArchiveError
from trially.tenancy.archives.finding import recorded_id
from trially.tenancy.archives.loading import compare_rows, finish_rows, load_rows, tables_of
from trially.tenancy.archives.manifest import Manifest
from trially.tenancy.archives.places import open_file
from trially.tenancy.archives.progress import RestoreProgress
from trially.tenancy.archives.reading import verify_archive
from trially.tenancy.archives.revisions import at_revision, is_older
from trially.tenancy.archives.signals import rows_loaded, tenant_restored
from trially.tenancy.catalog import Operation, PlacementRecord, Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.encrypting.adopting import adopt_rows
from trially.tenancy.lifecycle.moving.moves import MoveOptions, move_tenant
from trially.tenancy.lifecycle.moving.removing import remove_rows
from trially.tenancy.lifecycle.moving.sides import side_of
from trially.tenancy.lifecycle.operations import KINDS, OperationKind, Step, run_operation
from trially.tenancy.lifecycle.provisioning import (
    activate,
    begin_tenant,
    find_tenant_record,
    tenant_like,
)
from trially.tenancy.lifecycle.storage_steps import STORAGE_STEPS, record_of, remove_tenant
from trially.tenancy.schema.revision_files import TENANT_LINEAGE, newest_revision, revisions_of
from trially.tenancy.servers.choice import choose_server
from trially.tenancy.tiers import DEFAULT_TIER, TIERS, tier_of


@dataclass(frozen=True)
class RestoreOptions:
    """Where an archive is restored."""

    name: str | None = None
    """The name of the organisation; by default that of the archive."""

    tier: Tier | None = None
    """By default that of the archive."""

    server: str | None = None
    """By default the emptiest server of the archive's region."""


UNWATCHED = MoveOptions(max_pause=60, keep_seconds=0)
"""How a tenant moves that is new, so that no request waits for the switch."""


def verify_before(url: str) -> Manifest:
    """Verify a whole archive, and return what it holds. Nothing is changed.

    Raises `NoArchiveError`, `DamagedArchiveError`, `ForeignArchiveError`, `ArchiveError` if this
    version cannot restore it, `UnknownKeyError`, `DestroyedKeyError` or a `KeyProviderError`.
    """
    with open_file(url) as file:
        manifest = verify_archive(file)
    if recorded_id(url) not in (None, manifest.header.archive_id):
        raise ForeignArchiveError(
            f"{url} is the archive {manifest.header.archive_id} of {manifest.slug!r}. The catalog"
            " recorded another one at this place, so somebody has exchanged the file."
        )
    if manifest.revision not in revisions_of(TENANT_LINEAGE):
        raise ArchiveError(
            f"The archive is at the revision {manifest.revision}, which this version of trially"
            f" ({newest_revision(TENANT_LINEAGE)}) does not know. Restore it with trially"
            f" {manifest.version} or newer."
        )
    return manifest


def restore_as(url: str, slug: str, manifest: Manifest, options: RestoreOptions) -> Tenant:
    """Restore an archive that was verified as a new tenant with this slug, and return the tenant.

    If a step fails, nothing of the new tenant is left. Raises `InvalidSlugError`,
    `TenantExistsError`, `NoServerError`, `NoFittingServerError` or an `ArchiveError`.
    """
    operation = begin_restore(RESTORE, url, slug, manifest, options)
    run_operation(operation.id)
    wanted = options.tier or Tier(manifest.tier)
    if first_tier(manifest, wanted) is not wanted:
        move_tenant(slug, wanted, None, UNWATCHED)
    return find_tenant_record(operation.tenant_id)


def begin_restore(
    kind: OperationKind, url: str, slug: str, manifest: Manifest, options: RestoreOptions
) -> Operation:
    """Save a tenant for an archive, with the operation that is to restore it."""
    tenant = tenant_like(manifest, slug, options.name or manifest.name)
    tier = TIERS[first_tier(manifest, options.tier or Tier(manifest.tier))]
    with catalog_transaction() as session:
        server = choose_server(session, tier.tier, manifest.region, options.server)
        parameters = parameters_of(url, manifest)
        return begin_tenant(session, kind.name, tenant, tier, server, parameters)


def first_tier(manifest: Manifest, wanted: Tier) -> Tier:
    """Return the tier into which an archive is restored first, before a move to the wanted one.

    Shared tables are at the newest revision only, so older rows are migrated elsewhere.
    """
    is_moved = is_older(manifest.revision) and TIERS[wanted].shares_tables
    return DEFAULT_TIER if is_moved else wanted


def parameters_of(url: str, manifest: Manifest) -> dict[str, Any]:
    """Return what an operation stores of the archive that it restores."""
    return {
        "url": url,
        "archive": str(manifest.header.archive_id),
        "revision": manifest.revision,
        "bytes": manifest.size,
    }


def _load(operation: Operation) -> None:
    load_archive(record_of(operation), operation)


def load_archive(record: PlacementRecord, operation: Operation) -> None:
    """Load the operation's archive into a placement that serves nobody."""
    parameters = operation.parameters
    progress = RestoreProgress(parameters["bytes"])
    with (
        at_revision(record, parameters["revision"]),
        open_file(parameters["url"]) as file,
        side_of(record).writing() as target,
    ):
        tables = tables_of(target)
        set_keys_aside(target, operation)
        manifest = load_rows(file, target, tables, progress.count)
        if str(manifest.header.archive_id) != parameters["archive"]:
            raise ForeignArchiveError(
                f"The file at {parameters['url']} was exchanged after it had been verified."
            )
        with creating_indexes(target.side, operation):
            compare_rows(target, tables, manifest)
        create_keys(target, operation)
        finish_rows(target, tables)
    adopt_rows(record, manifest.header.tenant_id)
    rows_loaded.send(
        record, source_tenant_id=manifest.header.tenant_id, snapshot_at=manifest.snapshot_at
    )


def _index(_session: Session, operation: Operation) -> None:
    record = record_of(operation)
    tenant_restored.send(tier_of(record).placement(record))


def _undo(session: Session, operation: Operation) -> None:
    remove_rows(side_of(record_of(operation)), lambda: None)
    remove_tenant(session, operation)


RESTORE = OperationKind(
    name="restore",
    steps=(
        *STORAGE_STEPS,
        Step("load_rows", work=_load),
        Step("index_members", _index),
        Step("activate", activate, joins_previous=True),
    ),
    undo=_undo,
    creates_tenant=True,
)
KINDS[RESTORE.name] = RESTORE
