"""Which of a user's groups grants rights, and which rights."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from trially.auth.members.provisioning.model import ScimGroup, ScimGroupUser
from trially.auth.members.rights import Rights
from trially.auth.roles import PhiLevel, Role
from trially.database.rows import Item, fetch_items, of_current_tenant, table_of

RightsOf = Callable[[UUID], Rights | None]
"""Returns the present rights of a member; None for a former one."""


@dataclass(frozen=True)
class Grant:
    """The rights that a group grants, and who has chosen them."""

    group_id: UUID
    rights: Rights
    mapped_by: UUID

    def is_effective(self, rights_of: RightsOf) -> bool:
        """Return whether the member who chose the rights still has all of them."""
        own = rights_of(self.mapped_by)
        return own is not None and own.cover(self.rights)


def grant_of(group: Item) -> Grant | None:
    """Return what a row of a group grants, or None for a group that is not mapped."""
    if group["role"] is None:
        return None
    sites = group["site_ids"]
    rights = Rights(
        Role(group["role"]),
        PhiLevel(group["phi_level"]),
        None if sites is None else frozenset(sites),
    )
    return Grant(group["id"], rights, group["mapped_by"])


def grants_of(user_ids: Collection[UUID]) -> Mapping[UUID, Sequence[Grant]]:
    """Return what the groups of some users grant, the group that counts first, by user id.

    The group with the lowest priority comes first, then the oldest one. Rights of several groups
    are not combined: the sum could be more than any group was meant to grant.
    """
    group, user = table_of(ScimGroup), table_of(ScimGroupUser).c
    found: dict[UUID, list[Grant]] = {user_id: [] for user_id in user_ids}
    rows = fetch_items(
        select(
            user.user_id,
            group.c.id,
            group.c.role,
            group.c.phi_level,
            group.c.site_ids,
            group.c.mapped_by,
        )
        .join_from(
            table_of(ScimGroupUser),
            group,
            (group.c.tenant_id == user.tenant_id) & (group.c.id == user.group_id),
        )
        .where(
            of_current_tenant(ScimGroupUser),
            user.user_id.in_(list(user_ids)),
            group.c.role.is_not(None),
        )
        .order_by(group.c.priority, group.c.id)
    )
    for row in rows:
        grant = grant_of(row)
        if grant is not None:
            found[row["user_id"]].append(grant)
    return found


def first_effective(grants: Sequence[Grant], rights_of: RightsOf) -> Grant | None:
    """Return the first grant whose author still has the rights, or None."""
    return next((each for each in grants if each.is_effective(rights_of)), None)
