"""Record the built-in issuer's members under its present name, after its public URL has changed.

Without this, each demo person would be a member twice: under the former and the present issuer.
"""

import re
from uuid import UUID

from sqlalchemy import delete, func, select, update

from trially.auth.members.managing import rewrite_index
from trially.auth.members.model import Member
from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db, transaction
from trially.dev_issuer import PATH
from trially.tenancy.catalog import MembershipIndex, catalog_transaction
from trially.tenancy.context import tenant_context

BUILT_IN = re.compile(rf"https?://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{{1,5}})?{PATH}")
"""A built-in issuer's URL: it is always on loopback."""


def tenants_with_former_issuers(present: str) -> dict[UUID, set[str]]:
    """Return the former names of the built-in issuer that members are recorded under, by tenant."""
    with catalog_transaction() as session:
        pairs = session.execute(
            select(MembershipIndex.tenant_id, MembershipIndex.issuer)
            .where(MembershipIndex.issuer != present, MembershipIndex.issuer.endswith(PATH))
            .distinct()
        ).all()
    former: dict[UUID, set[str]] = {}
    for tenant_id, issuer in pairs:
        if BUILT_IN.fullmatch(issuer):
            former.setdefault(tenant_id, set()).add(issuer)
    return former


def record_present_issuer(tenant_id: UUID, former: set[str], present: str) -> None:
    """Record a tenant's members of former issuers under the present one, each subject once.

    Of several members with one subject, the present issuer's stays, or else the oldest.
    """
    member = table_of(Member)
    names = [*former, present]
    ranked = (
        select(
            member.c.id,
            func.row_number()
            .over(
                partition_by=member.c.subject,
                order_by=[(member.c.issuer == present).desc(), member.c.id],
            )
            .label("rank"),
        )
        .where(of_current_tenant(Member), member.c.issuer.in_(names))
        .subquery()
    )
    with tenant_context(str(tenant_id)):
        with transaction():
            surplus = select(ranked.c.id).where(ranked.c.rank > 1)
            db.session.execute(
                delete(member).where(of_current_tenant(Member), member.c.id.in_(surplus))
            )
            db.session.execute(
                update(member)
                .where(of_current_tenant(Member), member.c.issuer.in_(list(former)))
                .values(issuer=present)
            )
        rewrite_index()
