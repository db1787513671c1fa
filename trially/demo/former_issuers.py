"""Record the built-in issuer's members under its present name, after its public URL has changed.

Without this, each demo person would be a member twice: under the former and the present issuer.
"""

import re
from uuid import UUID

from sqlalchemy import Select, func, select

from trially.auth.members.managing import rewrite_index
from trially.auth.members.model import Member
from trially.database.rows import delete_item, of_current_tenant, table_of, update_item
from trially.database.session import db, transaction
from trially.dev_issuer import PATH
from trially.tenancy.catalog import MembershipIndex, Tenant
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.context import tenant_context

BUILT_IN = re.compile(rf"https?://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{{1,5}})?{PATH}")
"""A built-in issuer's URL: it is always on loopback."""


def tenants_with_former_issuers(present: str) -> dict[str, set[str]]:
    """Return the former names of the built-in issuer that members are recorded under, by slug."""
    with catalog_transaction() as session:
        pairs = session.execute(
            select(Tenant.slug, MembershipIndex.issuer)
            .join(Tenant, Tenant.id == MembershipIndex.tenant_id)
            .where(MembershipIndex.issuer != present, MembershipIndex.issuer.endswith(PATH))
            .distinct()
        ).all()
    former: dict[str, set[str]] = {}
    for slug, issuer in pairs:
        if BUILT_IN.fullmatch(issuer):
            former.setdefault(slug, set()).add(issuer)
    return former


def record_present_issuer(slug: str, former: set[str], present: str) -> None:
    """Record a tenant's members of former issuers under the present one, each subject once."""
    member = table_of(Member).c
    with tenant_context(slug):
        with transaction():
            for surplus in db.session.scalars(_surplus_ids(former, present)).all():
                delete_item(Member, surplus)
            renamed = select(member.id).where(of_current_tenant(Member), member.issuer.in_(former))
            for member_id in db.session.scalars(renamed).all():
                update_item(Member, member_id, {"issuer": present}, ("id",))
        rewrite_index()


def _surplus_ids(former: set[str], present: str) -> Select[UUID]:
    """Return the members to remove: all but one of each subject.

    The present issuer's member stays, or else the oldest.
    """
    member = table_of(Member).c
    order = [(member.issuer == present).desc(), member.id]
    rank = func.row_number().over(partition_by=member.subject, order_by=order).label("rank")
    ranked = (
        select(member.id, rank)
        .where(of_current_tenant(Member), member.issuer.in_([*former, present]))
        .subquery()
    )
    return select(ranked.c.id).where(ranked.c.rank > 1)
