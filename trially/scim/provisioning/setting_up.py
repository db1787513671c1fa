"""Choose where provisioned users sign in, and what groups grant."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select

from trially.administration.granting import Granter, rights_from
from trially.administration.trusted_issuers import find_issuer
from trially.auth.members.provisioning.grants import grant_of
from trially.auth.members.provisioning.model import (
    LinkedBy,
    ProvisioningSetting,
    ScimGroup,
    ScimGroupUser,
)
from trially.auth.members.rights import Rights
from trially.auth.members.sites import existing_sites
from trially.auth.resolvers import MembershipResolver
from trially.auth.support.lasting import refuse_support
from trially.database.rows import Item, fetch_items, of_current_tenant, table_of
from trially.database.session import db
from trially.http.etags import Versions
from trially.http.problems import validation_failed
from trially.organisation.singletons import lock_row, read_row, refuse_other_version, write_row
from trially.resources.resource import Resource
from trially.scim.applying import lock_concerned
from trially.state import app_state

SETTINGS = ("issuer", "linked_by")
_RIGHTS = ("role", "phi_level", "site_ids")


def read_settings() -> Item:
    """Return where provisioned users sign in."""
    return _shown(read_row(ProvisioningSetting, SETTINGS))


def change_settings(versions: Versions | None, body: Mapping[str, Any]) -> Item:
    """Change where provisioned users sign in. Answers 412, or 422 for an issuer without trust."""
    refuse_support()
    refuse_other_version(lock_row(ProvisioningSetting, SETTINGS)["version"], versions)
    values = {name: value for name, value in body.items() if name in SETTINGS}
    if values.get("issuer") is not None:
        values["issuer"] = _issuer_of_people(values["issuer"])
    if "linked_by" in values and values["linked_by"] is None:
        values["linked_by"] = LinkedBy.EMAIL
    return _shown(write_row(ProvisioningSetting, values, SETTINGS))


def map_group(
    groups: Resource, group_id: UUID, versions: Versions | None, body: Mapping[str, Any]
) -> Item:
    """Change what a group grants, and the members whom it has made.

    Answers 403 for more than the caller has, 404, 409 for the last owner, 412 or 422.
    """
    group = _lock(group_id)
    if group is None:
        raise groups.not_found()
    concerned = lock_concerned(_users_in(group_id))
    values = {name: value for name, value in body.items() if name not in _RIGHTS}
    if any(name in body for name in _RIGHTS):
        values |= _rights_of(concerned.granter, group, body)
    changed = groups.change(group_id, versions, values)
    concerned.apply()
    return changed


def _rights_of(granter: Granter, group: Item, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns with the rights that a group is to grant, as a merge patch says."""
    former = grant_of(group)
    if former is not None:
        granter.refuse_stronger(former.rights)
    role = body.get("role", group["role"])
    if role is None:
        return {**dict.fromkeys(_RIGHTS), "mapped_by": None}
    changes = {name: body[name] for name in _RIGHTS if name in body}
    if changes.get("phi_level", "") is None:
        del changes["phi_level"]
    granted = rights_from({**changes, "role": role}, None if former is None else former.rights)
    granter.refuse_more_than_own(granted)
    _refuse_unknown_sites(granted)
    return {
        "role": granted.role,
        "phi_level": granted.phi_level,
        "site_ids": None if granted.site_ids is None else sorted(granted.site_ids),
        "mapped_by": granter.member_id,
    }


def _refuse_unknown_sites(granted: Rights) -> None:
    if granted.site_ids and set(existing_sites(granted.site_ids)) != granted.site_ids:
        raise validation_failed([{"pointer": "/site_ids", "detail": "There is no such site."}])


def _issuer_of_people(issuer: str) -> str:
    """Return the recorded name of an issuer whose tokens name the tenant, or answer 422."""
    recorded, profile = find_issuer(issuer)
    if isinstance(profile.resolver, MembershipResolver) or profile.client_keys is not None:
        raise validation_failed(
            [{"pointer": "/issuer", "detail": "Tokens of this issuer name no tenant."}]
        )
    return recorded


def _lock(group_id: UUID) -> Item | None:
    group = table_of(ScimGroup)
    columns = [group.c[name] for name in ("id", *_RIGHTS, "mapped_by")]
    statement = select(*columns).where(of_current_tenant(ScimGroup), group.c.id == group_id)
    return next(iter(fetch_items(statement.with_for_update())), None)


def _users_in(group_id: UUID) -> list[UUID]:
    user = table_of(ScimGroupUser).c
    return list(
        db.session.scalars(
            select(user.user_id).where(of_current_tenant(ScimGroupUser), user.group_id == group_id)
        )
    )


def _shown(settings: Item) -> Item:
    """Show the issuer as its tokens do."""
    issuer = settings["issuer"]
    return {
        **settings,
        "issuer": None if issuer is None else app_state().token_verifier.current_name(issuer),
        "linked_by": settings["linked_by"] or LinkedBy.EMAIL,
    }
