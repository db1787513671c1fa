"""Restore archives for a test: into storage that is removed again, with all rows compared."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, update
from uuid_utils.compat import uuid7

from trially.tenancy.archives.errors import ArchiveError
from trially.tenancy.archives.finding import are_of_tenants
from trially.tenancy.archives.model import Archive
from trially.tenancy.archives.restoring import (
    RESTORE,
    RestoreOptions,
    begin_restore,
    verify_before,
)
from trially.tenancy.catalog import Operation
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.lifecycle.operations import KINDS, OperationKind, Step, run_operation
from trially.tenancy.schema.failures import describe_failure

LONGEST_REASON = 500


class RestoredError(ArchiveError):
    """The archive was restored, and all rows were equal. Ends the operation, which is undone."""


@dataclass(frozen=True)
class Checked:
    """The result for one archive."""

    archive: Archive
    error: str | None
    """What was wrong; None if all rows were equal."""


def choose(slugs: Sequence[str], sample: int) -> Sequence[Archive]:
    """Return the newest archive of each tenant, at most `sample` of them, chosen at random.

    With slugs, those of these tenants.
    """
    newest = (
        select(Archive.tenant_id, func.max(Archive.snapshot_at).label("snapshot_at"))
        .where(Archive.removed_at.is_(None))
        .group_by(Archive.tenant_id)
        .subquery()
    )
    query = select(Archive).join(
        newest,
        (newest.c.tenant_id == Archive.tenant_id) & (newest.c.snapshot_at == Archive.snapshot_at),
    )
    if slugs:
        query = query.where(are_of_tenants(slugs))
    with catalog_transaction() as session:
        found = session.scalars(query.order_by(Archive.tenant_slug)).all()
    return found if len(found) <= sample else random.sample(found, sample)


def check(archives: Sequence[Archive]) -> Iterator[Checked]:
    """Restore archives one after the other, record each result, and yield it."""
    for archive in archives:
        try:
            _restore_for_test(archive)
            error = None
        except Exception as failure:  # noqa: BLE001  the archives after this one are restored too
            error = describe_failure(failure)
        with catalog_transaction() as session:
            session.execute(
                update(Archive)
                .where(Archive.id == archive.id)
                .values(verified_at=func.now(), verification=error and error[:LONGEST_REASON])
            )
        yield Checked(archive, error)


def _restore_for_test(archive: Archive) -> None:
    """Restore an archive and remove what was restored. Raises what a restore raises."""
    manifest = verify_before(archive.url)
    slug = f"verify-{uuid7().hex[-20:]}"
    operation = begin_restore(VERIFY, archive.url, slug, manifest, RestoreOptions(name=slug))
    try:
        run_operation(operation.id)
    except RestoredError:
        return
    raise ArchiveError("The restored rows were not removed.")


def _discard(_operation: Operation) -> None:
    raise RestoredError("All rows are equal to those of the archive.")


VERIFY = OperationKind(
    name="verify_archive",
    steps=(
        *(step for step in RESTORE.steps if step.name not in ("index_members", "activate")),
        Step("discard", work=_discard),
    ),
    undo=RESTORE.undo,
    creates_tenant=True,
)
"""An operation that is always undone, at last after all its steps."""

KINDS[VERIFY.name] = VERIFY
