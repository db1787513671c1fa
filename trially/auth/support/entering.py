"""Enter a tenant's data with psql: by a grant, as the tenant's own role, on the record.

psql knows no permissions and masks nothing. So the grant must be one that covers everything: the
role `admin` and the PHI level `full`.
"""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from trially.audit.recording import note as note_for_tenant
from trially.audit.working import showing_patients
from trially.auth.roles import PhiLevel, Role
from trially.database.placement import Placement
from trially.database.session import db
from trially.errors import OperatorError
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_sessions import catalog_transaction, control_engine
from trially.tenancy.context import administered_tenant
from trially.tenancy.operators.model import SupportGrant
from trially.tenancy.operators.persons import current_person
from trially.tenancy.operators.recording import note as note_for_operators
from trially.tenancy.tiers import tier_of

ROLE, PHI_LEVEL = Role.ADMIN, PhiLevel.FULL
"""What a grant must say, because psql shows everything and can change everything."""


class NoAccessError(OperatorError):
    """The operator has no support grant that covers psql."""


@dataclass(frozen=True)
class Entry:
    """An operator's entry into one tenant."""

    slug: str
    placement: Placement
    grant_id: UUID
    expires_at: dt.datetime

    def is_allowed(self) -> bool:
        """Return whether the grant is still in force. An unreachable catalog does not allow it."""
        try:
            with Session(control_engine()) as session:
                return _active(session, SupportGrant.id == self.grant_id) is not None
        except Exception:  # noqa: BLE001  whatever goes wrong, nothing says that it is in force
            return False


def enter(tenant: Tenant, reason: str | None, *, writes: bool) -> Entry:
    """Find the grant, record the entry for the operators and for the tenant, and return it.

    Raises `NoAccessError` if the person who runs the command has not requested a grant that another
    person has approved, that is still in force, and that covers everything.
    """
    person = current_person().name
    with catalog_transaction() as session:
        grant = _active(
            session,
            SupportGrant.tenant_id == tenant.id,
            SupportGrant.requested_by == person,
            SupportGrant.role == ROLE,
            SupportGrant.phi_level == PHI_LEVEL,
        )
        if grant is None or grant.expires_at is None:
            raise NoAccessError(
                f"{person!r} has no support grant for {tenant.slug!r} that covers psql. Request one"
                f" with `flask support request {tenant.slug} --role {ROLE} --phi-level {PHI_LEVEL}"
                " …`, and let another person approve it."
            )
        details = {
            "grant": str(grant.id),
            "ticket": grant.ticket,
            "reason": reason or grant.reason,
            "writes": writes,
        }
        note_for_operators(
            session, "tenants psql", target=tenant.slug, tenant_id=tenant.id, details=details
        )
        entry = Entry(
            tenant.slug,
            tier_of(tenant.placement).placement(tenant.placement),
            grant.id,
            grant.expires_at,
        )
    _record_for_tenant(tenant, grant.id, writes=writes)
    return entry


def _active(session: Session, *conditions: object) -> SupportGrant | None:
    """Return the grant in force that ends last, by the clock of the catalog."""
    return session.scalar(
        select(SupportGrant)
        .where(
            SupportGrant.approved_at.is_not(None),
            SupportGrant.revoked_at.is_(None),
            SupportGrant.expires_at > func.now(),
            *conditions,  # type: ignore[arg-type]
        )
        .order_by(SupportGrant.expires_at.desc())
        .limit(1)
    )


def _record_for_tenant(tenant: Tenant, grant_id: UUID, *, writes: bool) -> None:
    """Commit a record of the entry into the tenant's own audit log."""
    with administered_tenant(str(tenant.id)), showing_patients() as work:
        db.session.execute(text("SELECT 1"))
        note_for_tenant(support_grant=str(grant_id), program="psql", writes=writes)
        work.show_unknown()
