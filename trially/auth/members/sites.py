"""The sites that members are restricted to."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from uuid_utils.compat import uuid7

from trially.auth.members.model import MemberSite
from trially.database.changes import note_change, note_derived
from trially.database.placement import current_placement
from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db
from trially.errors import OperatorError


class NoSuchSiteError(OperatorError):
    """A site that a member is restricted to does not exist in the tenant."""


def write_sites(member_id: UUID, site_ids: Collection[UUID]) -> None:
    """Replace the sites that a member is restricted to, or raise `NoSuchSiteError`."""
    tenant_id, site = current_placement().tenant_id, table_of(MemberSite)
    former = db.session.scalars(
        delete(site)
        .where(of_current_tenant(MemberSite), site.c.member_id == member_id)
        .returning(site.c.site_id)
    ).all()
    rows = [
        {"id": uuid7(), "tenant_id": tenant_id, "member_id": member_id, "site_id": site_id}
        for site_id in set(site_ids)
    ]
    try:
        if rows:
            db.session.execute(insert(site), rows)
    except IntegrityError as error:
        ids = ", ".join(sorted(str(row["site_id"]) for row in rows))
        raise NoSuchSiteError(f"A site does not exist in this tenant: {ids}.") from error
    note_derived(site.name)
    if set(former) != set(site_ids):
        sites = sorted(map(str, former)), sorted(map(str, set(site_ids)))
        note_change(MemberSite, member_id, {}, {"site_id": sites})


def existing_sites(site_ids: Collection[UUID]) -> Collection[UUID]:
    """Return those of these sites that exist in the current tenant."""
    site = MemberSite.metadata.tables["site"].c
    return db.session.scalars(
        select(site.id).where(
            site.tenant_id == current_placement().tenant_id, site.id.in_(list(site_ids))
        )
    ).all()


def read_sites() -> Mapping[UUID, Sequence[UUID]]:
    """Return the sites of the current tenant's restricted members, by member id."""
    sites: dict[UUID, list[UUID]] = {}
    for member_id, site_id in db.session.execute(
        select(MemberSite.member_id, MemberSite.site_id).where(of_current_tenant(MemberSite))
    ):
        sites.setdefault(member_id, []).append(site_id)
    return sites
