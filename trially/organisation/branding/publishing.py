"""Publish settings in the catalog: a worker does it, in a job of the tenant.

Request handling cannot write the catalog, so no request can change what another tenant shows. The
tenant's rows are the truth: the job reads them when it runs, so the newest values are published
whatever order jobs run in.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trially.database.placement import current_placement
from trially.database.rows import find_item
from trially.database.session import transaction
from trially.jobs.enqueuing import enqueue
from trially.jobs.kinds import Kind, Step, Turn, register
from trially.organisation.model import (
    PublishedBranding,
    PublishedLogo,
    TenantBranding,
    TenantDomain,
    TenantLogo,
    TenantSetting,
)
from trially.organisation.singletons import read_row
from trially.organisation.wishes import PUBLISH_NAME, wishes_since
from trially.recruiting.imports.rezoning import rezone_source, zones_of_sources
from trially.recruiting.sources.locking import lock_until_commit
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.directory import directory

OPERATOR = "Publication of settings"
"""Who asks for the jobs."""

SHOWN = ("product_name", "primary_color", "on_primary_color", "accent_color")
"""The columns of the branding that everybody may read."""


def enqueue_publication(wishes: Mapping[str, Any]) -> None:
    """Let a worker publish the current tenant's settings, after the commit.

    `wishes` are a new `name` or `time_zone`. The job belongs to no member: what was committed is
    published even if the member who asked for it leaves before.
    """
    enqueue(PUBLISH, wishes, operator=OPERATOR)


def publish(wishes: Mapping[str, Any]) -> None:
    """Write the public part of the current tenant's rows, and its wishes, into the catalog.

    A transaction of the tenant is open.
    """
    tenant_id = current_placement().tenant_id
    lock_until_commit(f"publication {tenant_id}")
    branding = read_row(TenantBranding, (*SHOWN, "logo_digest", "domain"))
    locale = read_row(TenantSetting, ("locale",))["locale"]
    shown = {name: branding[name] for name in SHOWN} | {"locale": locale}
    document = {name: value for name, value in shown.items() if value is not None}
    digest = branding["logo_digest"]
    if digest is not None:
        document["logo_digest"] = digest
    with catalog_transaction() as session:
        if wishes:
            session.execute(update(Tenant).where(Tenant.id == tenant_id).values(**wishes))
        _write_document(session, tenant_id, document)
        _write_logo(session, tenant_id, digest)
        _write_domain(session, tenant_id, branding["domain"])


def _publish(turn: Turn) -> None:
    wishes = wishes_since(turn.job_id)
    publish(wishes)
    if wishes:
        directory().expire(current_placement().tenant_id)


def _rezone(turn: Turn) -> None:
    """Read the times of records without an offset in the new zone, batch by batch."""
    with transaction():
        zone = wishes_since(turn.job_id).get("time_zone")
        zones = {} if zone is None else zones_of_sources(zone)
    for source in zones:
        turn.check()
        rezone_source(source, zones[source])


def _write_document(session: Session, tenant_id: UUID, document: Mapping[str, Any]) -> None:
    if not document:
        session.execute(delete(PublishedBranding).where(PublishedBranding.tenant_id == tenant_id))
        return
    session.execute(
        insert(PublishedBranding)
        .values(tenant_id=tenant_id, document=document)
        .on_conflict_do_update(index_elements=["tenant_id"], set_={"document": document})
    )


def _write_logo(session: Session, tenant_id: UUID, digest: str | None) -> None:
    logo = None if digest is None else find_item(TenantLogo, tenant_id, ("media_type", "content"))
    if logo is None:
        session.execute(delete(PublishedLogo).where(PublishedLogo.tenant_id == tenant_id))
        return
    values = {"digest": digest, **logo}
    session.execute(
        insert(PublishedLogo)
        .values(tenant_id=tenant_id, **values)
        .on_conflict_do_update(index_elements=["tenant_id"], set_=values)
    )


def _write_domain(session: Session, tenant_id: UUID, domain: str | None) -> None:
    """Record the wished domain. Another one than before is not verified."""
    known = session.get(TenantDomain, tenant_id)
    if known is not None and known.domain != domain:
        session.delete(known)
        session.flush()
        known = None
    if known is None and domain is not None:
        session.add(TenantDomain(tenant_id=tenant_id, domain=domain))


PUBLISH = register(
    Kind(
        PUBLISH_NAME,
        (Step("publish", _publish), Step("rezone", _rezone, has_own_transactions=True)),
        needs=None,
        most_seconds=2 * 3600.0,
        most_attempts=20,
    )
)
