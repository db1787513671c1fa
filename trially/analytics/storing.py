"""The counts of a tenant in the catalog: when they were made, how they are written and read.

Workers and commands write them. Requests only read.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trially.analytics.counting import Counted
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import TenantStatus
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.organisations.model import About, OrganisationTenant, SharedCount
from trially.tenancy.organisations.stored_counts import delete_unseen

KEPT = dt.timedelta(days=730)
"""For how long counts are kept, except the newest ones of a tenant."""

_count = SharedCount.__table__.c


def last_counted(tenant_id: UUID) -> Mapping[About, dt.datetime]:
    """Return when a tenant's counts were made last."""
    statement = (
        select(_count.about, func.max(_count.counted_at))
        .where(_count.tenant_id == tenant_id)
        .group_by(_count.about)
    )
    with control_engine().connect() as catalog:
        return {About(about): counted_at for about, counted_at in catalog.execute(statement)}


def sharing_tenants() -> Sequence[str]:
    """Return the slugs of the tenants that are in an organisation or are invited, and are served.

    A suspended tenant is not counted: its owner could not withdraw.
    """
    invited = select(OrganisationTenant.tenant_id)
    statement = (
        select(Tenant.slug)
        .where(Tenant.id.in_(invited), Tenant.status == TenantStatus.ACTIVE)
        .order_by(Tenant.slug)
    )
    with Session(control_engine()) as session:
        return session.scalars(statement).all()


def lock_stays(session: Session, tenant_id: UUID) -> Sequence[OrganisationTenant]:
    """Return the organisations of a tenant and its invitations, locked until the commit."""
    return session.scalars(
        select(OrganisationTenant)
        .where(OrganisationTenant.tenant_id == tenant_id)
        .order_by(OrganisationTenant.organisation_id)
        .with_for_update()
    ).all()


def confirm(stays: Iterable[OrganisationTenant], consents: Collection[UUID]) -> bool:
    """Let the tenant be in the organisations whose invitations its owner accepted, and no others.

    Returns whether there is one.
    """
    has_joined = False
    for stay in stays:
        if stay.invitation_id not in consents:
            stay.joined_at = None
        elif stay.joined_at is None:
            stay.joined_at = dt.datetime.now(dt.UTC)
        has_joined |= stay.joined_at is not None
    return has_joined


def store(session: Session, tenant_id: UUID, counted: Iterable[Counted]) -> None:
    """Add counts of a tenant, and delete old ones."""
    for each in counted:
        rows = [
            {
                "tenant_id": tenant_id,
                "about": each.about,
                "counted_at": each.counted_at,
                **number._asdict(),
            }
            for number in each.numbers
        ]
        session.execute(insert(SharedCount).on_conflict_do_nothing(), rows)
        session.execute(
            delete(SharedCount).where(
                _count.tenant_id == tenant_id,
                _count.about == each.about,
                _count.counted_at < each.counted_at - KEPT,
            )
        )


def delete_counts(session: Session, tenant_id: UUID) -> None:
    """Delete the counts of a tenant that is in no organisation."""
    session.flush()
    delete_unseen(session, [tenant_id])


def newest_counts(
    session: Session, tenant_ids: Collection[UUID], until: dt.datetime | None = None
) -> Sequence[Mapping[str, Any]]:
    """Return the newest counts of tenants, or the newest ones that were made before an instant."""
    newest = (
        select(_count.tenant_id, _count.about, func.max(_count.counted_at).label("counted_at"))
        .where(_count.tenant_id.in_(tenant_ids))
        .group_by(_count.tenant_id, _count.about)
    )
    if until is not None:
        newest = newest.where(_count.counted_at < until)
    chosen = newest.subquery().c
    rows = session.execute(
        select(
            *(_count.tenant_id, _count.about, _count.counted_at, _count.measure),
            *(_count.study, _count.value, _count.quantity, _count.step),
        ).where(
            _count.tenant_id == chosen.tenant_id,
            _count.about == chosen.about,
            _count.counted_at == chosen.counted_at,
        )
    )
    return [dict(row) for row in rows.mappings()]
