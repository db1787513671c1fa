"""What the catalog knows of each tenant's tables: their revision, and what keeps them from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from trially.tenancy.catalog import PlacementRecord, Tenant
from trially.tenancy.catalog_choices import UNSERVED
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.migration_runs import MigrationRun, PlaceMigration, PlaceState
from trially.tenancy.pinning import is_served
from trially.tenancy.schema.revision_files import TENANT_LINEAGE
from trially.tenancy.schema.revisions import Revision, compare, needed_revision

SERVED_AS = {
    Revision.CURRENT: "served",
    Revision.BEHIND: "served, without the newest migration",
    Revision.OUTDATED: "not served",
    Revision.NEWER: "served",
    Revision.UNKNOWN: "served",
}


UNTRIED = (PlaceState.UNREACHABLE, PlaceState.SKIPPED)
"""The newest run has not tried to migrate the tenant, and says why."""


@dataclass(frozen=True)
class TenantRevision:
    """One tenant's tables, as recorded."""

    record: PlacementRecord
    state: Revision
    attempt: PlaceMigration | None
    """Its place in the newest run, if that run visited it."""

    @property
    def is_unreachable(self) -> bool:
        """Whether its server did not answer in the newest run."""
        return self.attempt is not None and self.attempt.state == PlaceState.UNREACHABLE

    @property
    def needs_attention(self) -> bool:
        """Whether an operator must do something."""
        is_at_rest = self.state in {Revision.CURRENT, Revision.NEWER}
        return self.record.quarantine is not None or not is_at_rest

    @property
    def reason(self) -> str | None:
        """Why the tenant is not at the head."""
        if self.record.quarantine is not None:
            return self.record.quarantine
        if not self.needs_attention:
            return None
        if self.attempt is not None and self.attempt.state in UNTRIED:
            return self.attempt.error
        return "not migrated yet"

    @property
    def next_command(self) -> str | None:
        """The command that an operator needs next."""
        if not self.needs_attention:
            return None
        slug = self.record.tenant.slug
        if self.is_unreachable:
            return f"flask servers show {self.record.server.name}"
        if self.record.quarantine is not None:
            return f"flask tenants diff {slug}"
        return f"flask tenants migrate {slug}"

    def as_item(self) -> dict[str, Any]:
        """Return the values that the command prints."""
        record = self.record
        return {
            "slug": record.tenant.slug,
            "tier": record.tier,
            "server": record.server.name,
            "revision": record.revision,
            "state": self.state.value,
            "quarantined": record.quarantine is not None,
            "unreachable": self.is_unreachable,
            "requests": SERVED_AS[self.state],
            "reason": self.reason,
            "sqlstate": self.attempt and self.attempt.sqlstate,
            "statement": self.attempt and self.attempt.statement,
            "next": self.next_command,
        }


def read_status() -> Sequence[TenantRevision]:
    """Return every tenant that is served or suspended, by slug."""
    head = needed_revision(TENANT_LINEAGE)
    with catalog_transaction() as session:
        attempts = _newest_attempts(session)
        records = session.scalars(
            select(PlacementRecord)
            .join(Tenant, Tenant.id == PlacementRecord.tenant_id)
            .where(PlacementRecord.is_active, Tenant.status.not_in(UNSERVED), is_served())
            .options(joinedload(PlacementRecord.tenant))
            .order_by(Tenant.slug)
        ).all()
    return [
        TenantRevision(
            record,
            compare(record.revision, head),
            attempts.get((record.server.name, record.database, record.schema)),
        )
        for record in records
    ]


def _newest_attempts(session: Session) -> dict[tuple[str, str, str], PlaceMigration]:
    newest = select(MigrationRun.id).order_by(MigrationRun.id.desc()).limit(1)
    rows = session.scalars(
        select(PlaceMigration).where(PlaceMigration.run_id == newest.scalar_subquery())
    )
    return {(row.server, row.database, row.schema): row for row in rows}
