"""Change members as their provisioned users and groups say.

Only users who have become members are changed here. The others become members by signing in.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from trially.administration.granting import Granter, lock_granter
from trially.administration.owners import keep_an_owner
from trially.auth.members.index import unindex_after_commit
from trially.auth.members.model import Member
from trially.auth.members.provisioning.grants import Grant, first_effective, grants_of
from trially.auth.members.provisioning.linking import SETTINGS
from trially.auth.members.provisioning.model import LinkedBy, ProvisioningSetting, ScimUser
from trially.auth.members.rights import LockedMember, Rights
from trially.auth.members.sites import existing_sites, write_sites
from trially.database.placement import current_placement
from trially.database.quotas import QuotaExceededError
from trially.database.rows import (
    Item,
    delete_item,
    fetch_items,
    find_item,
    of_current_tenant,
    table_of,
    update_item,
)
from trially.database.session import db
from trially.tenancy.context import current_tenant
from trially.tenancy.entitlements.limits import Limit

_user, _member = table_of(ScimUser), table_of(Member)


def apply_grants(user_ids: Collection[UUID]) -> None:
    """Give members the rights of their users' groups, and remove those who have none any more.

    A member whose rights a person has granted keeps them until a group of the user grants rights. A
    group whose author has lost the rights changes no member. Answers 403 if the caller is no member
    any more, or lacks the rights of a member or of a group, and 409 for the last owner.
    """
    lock_concerned(user_ids).apply()


def lock_concerned(user_ids: Collection[UUID]) -> "Concerned":
    """Lock users, and then their members, all owners, and the authors of what groups grant.

    All members are locked by one statement, so that two transactions never wait for each other.
    """
    users = _lock_users(user_ids)
    namesakes = _namesakes([each for each in users if not each["is_active"]])
    linked = [each for each in users if each["member_id"] is not None]
    granted = grants_of([each["id"] for each in linked]).values() if linked else ()
    authors = {one.mapped_by for each in granted for one in each}
    granter = lock_granter(*(each["member_id"] for each in linked), *authors, *namesakes)
    granter.refuse_former_member()
    return Concerned(granter, linked, namesakes)


def link_existing(user: Item) -> None:
    """Link a user to a member who was added by a person, if the issuer's subject is the same.

    An email address is not enough: a person has typed it, and no issuer has verified it.
    """
    settings = _settings()
    if settings.get("linked_by") != LinkedBy.EXTERNAL_ID or user["external_id"] is None:
        return
    others = select(_user.c.member_id).where(
        of_current_tenant(ScimUser), _user.c.member_id.is_not(None)
    )
    member_id = db.session.scalar(
        select(_member.c.id).where(
            of_current_tenant(Member),
            _member.c.issuer == settings["issuer"],
            _member.c.subject == user["external_id"],
            _member.c.id.not_in(others),
        )
    )
    if member_id is not None:
        update_item(ScimUser, user["id"], {"member_id": member_id}, ("id",))


def refuse_excess_members() -> None:
    """Raise `QuotaExceededError` if all active users together with the members are too many.

    The tenant's database checks the plan again when a user becomes a member.
    """
    most = current_tenant().plan.most(Limit.MEMBERS)
    if most is None:
        return
    waiting = select(func.count()).where(
        of_current_tenant(ScimUser), _user.c.is_active, _user.c.member_id.is_(None)
    )
    present = select(func.count()).where(of_current_tenant(Member))
    expected = db.session.scalar(select(waiting.scalar_subquery() + present.scalar_subquery()))
    if (expected or 0) > most:
        raise QuotaExceededError(Limit.MEMBERS, most, (expected or 0) - 1)


class Concerned:
    """Users and members whose rows are locked, and the members as they are after each change."""

    def __init__(
        self, granter: Granter, linked: Sequence[Item], namesakes: Collection[UUID]
    ) -> None:
        self.granter = granter
        self._linked, self._namesakes = linked, namesakes
        self._standing = dict(granter.locked)

    def apply(self) -> None:
        """Change the members as `apply_grants` says."""
        for member_id in self._namesakes:
            self._remove(member_id)
        grants = grants_of([each["id"] for each in self._linked]) if self._linked else {}
        for user in self._linked:
            self._change(user, grants[user["id"]])

    def _change(self, user: Item, grants: Sequence[Grant]) -> None:
        member = self._standing.get(user["member_id"])
        if not user["is_active"]:
            self._release(user)
        elif member is None:
            return  # A person has removed the member.
        elif grants:
            grant = first_effective(grants, self._rights_of)
            if grant is not None:
                self._grant(user, member.rights, grant)
        elif user["granted_by"] is not None:
            self._release(user)

    def _remove(self, member_id: UUID) -> None:
        """Remove a member, unless the member is removed already."""
        member = self._standing.get(member_id)
        if member is None:
            return
        self.granter.refuse_stronger(member.rights)
        keep_an_owner(member_id, self._standing)
        delete_item(Member, member_id)
        del self._standing[member_id]
        unindex_after_commit(current_placement().tenant_id, member.issuer, member.subject)

    def _release(self, user: Item) -> None:
        """Remove the member of a user. The user becomes another member by signing in again."""
        self._remove(user["member_id"])
        update_item(ScimUser, user["id"], {"member_id": None, "granted_by": None}, ("id",))

    def _grant(self, user: Item, former: Rights, grant: Grant) -> None:
        member_id, rights = user["member_id"], _with_existing_sites(grant.rights)
        if rights != former:
            self.granter.refuse_stronger(former)
            self.granter.refuse_more_than_own(rights)
            if not rights.are_all:
                keep_an_owner(member_id, self._standing)
        values = {name: user[name] for name in ("display_name", "email")} | {
            "role": rights.role,
            "phi_level": rights.phi_level,
            "has_all_sites": rights.site_ids is None,
        }
        if rights != former or user["granted_by"] != grant.group_id or _is_renamed(user):
            update_item(Member, member_id, values, ("id",))
            write_sites(member_id, rights.site_ids or ())
            update_item(ScimUser, user["id"], {"granted_by": grant.group_id}, ("id",))
            member = self._standing[member_id]
            self._standing[member_id] = LockedMember(member.issuer, member.subject, rights)

    def _rights_of(self, member_id: UUID) -> Rights | None:
        member = self._standing.get(member_id)
        return None if member is None else member.rights


def _lock_users(user_ids: Collection[UUID]) -> Sequence[Item]:
    """Lock users, and return them with what their members are called."""
    users = fetch_items(
        select(
            _user.c.id,
            _user.c.member_id,
            _user.c.granted_by,
            _user.c.is_active,
            _user.c.display_name,
            _user.c.email,
        )
        .where(of_current_tenant(ScimUser), _user.c.id.in_(list(user_ids)))
        .order_by(_user.c.id)
        .with_for_update()
    )
    names = _names_of([each["member_id"] for each in users if each["member_id"] is not None])
    return [{**each, "known_as": names.get(each["member_id"])} for each in users]


def _names_of(member_ids: Sequence[UUID]) -> Mapping[UUID, tuple[str | None, str | None]]:
    if not member_ids:
        return {}
    rows = db.session.execute(
        select(_member.c.id, _member.c.display_name, _member.c.email).where(
            of_current_tenant(Member), _member.c.id.in_(member_ids)
        )
    )
    return {row.id: (row.display_name, row.email) for row in rows}


def _is_renamed(user: Item) -> bool:
    return bool(user["known_as"] != (user["display_name"], user["email"]))


def _namesakes(users: Sequence[Item]) -> Collection[UUID]:
    """Return members whom a person has added, with the address of a deactivated user.

    Where persons are found by their address, a deactivated person must not stay a member. The
    address of such a member was typed, so it only takes away: it never grants.
    """
    settings = _settings() if users else {}
    addresses = [each["email"] for each in users if each["email"] is not None]
    if settings.get("linked_by") != LinkedBy.EMAIL or not settings["issuer"] or not addresses:
        return ()
    linked = select(_user.c.member_id).where(
        of_current_tenant(ScimUser), _user.c.member_id.is_not(None)
    )
    return db.session.scalars(
        select(_member.c.id).where(
            of_current_tenant(Member),
            _member.c.issuer == settings["issuer"],
            func.lower(_member.c.email).in_(addresses),
            _member.c.id.not_in(linked),
        )
    ).all()


def _settings() -> Mapping[str, Any]:
    return find_item(ProvisioningSetting, current_placement().tenant_id, SETTINGS) or {}


def _with_existing_sites(rights: Rights) -> Rights:
    """Return rights without sites that were deleted since the group was mapped."""
    if rights.site_ids is None:
        return rights
    return Rights(rights.role, rights.phi_level, frozenset(existing_sites(rights.site_ids)))
