"""Change and remove members for a member who may do so."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from trially.administration.granting import Granter, lock_granter, rights_from
from trially.administration.owners import keep_an_owner
from trially.auth.members.index import unindex_after_commit
from trially.auth.members.rights import Rights
from trially.auth.members.sites import NoSuchSiteError, write_sites
from trially.database.placement import current_placement
from trially.http.etags import Versions
from trially.http.problems import validation_failed
from trially.resources.resource import Resource


def change_rights(
    members: Resource, member_id: UUID, versions: Versions | None, body: Mapping[str, Any]
) -> None:
    """Change a member as a merge patch says. Answers 403, 404, 409, 412 or 422."""
    granter = lock_granter(member_id)
    former = _rights_of(members, granter, member_id)
    granted = rights_from(_without_removed(body), former)
    granter.refuse_more_than_own(granted)
    if not granted.are_all:
        keep_an_owner(member_id, granter.locked)
    values = {name: body[name] for name in ("display_name", "email") if name in body}
    values |= {
        "role": granted.role,
        "phi_level": granted.phi_level,
        "has_all_sites": granted.site_ids is None,
    }
    members.change(member_id, versions, values)
    if "site_ids" in body:
        restrict(member_id, granted)


def remove(members: Resource, member_id: UUID, versions: Versions | None) -> None:
    """Remove a member. Answers 403, 404, 409 or 412."""
    granter = lock_granter(member_id)
    _rights_of(members, granter, member_id)
    keep_an_owner(member_id, granter.locked)
    members.delete(member_id, versions)
    removed = granter.locked[member_id]
    unindex_after_commit(current_placement().tenant_id, removed.issuer, removed.subject)


def restrict(member_id: UUID, granted: Rights) -> None:
    """Write the sites that a member is restricted to, or answer 422 if one does not exist."""
    try:
        write_sites(member_id, granted.site_ids or ())
    except NoSuchSiteError:
        raise validation_failed(
            [{"pointer": "/site_ids", "detail": "There is no such site."}]
        ) from None


def _rights_of(members: Resource, granter: Granter, member_id: UUID) -> Rights:
    """Return the rights of a member whom the caller may change, or answer 404 or 403."""
    if member_id not in granter.locked:
        raise members.not_found()
    rights = granter.locked[member_id].rights
    granter.refuse_stronger(rights)
    return rights


def _without_removed(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body without nulls that remove nothing: `site_ids: null` means all sites."""
    return {name: value for name, value in body.items() if value is not None or name == "site_ids"}
