"""Make a provisioned user a member, at the person's first request."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, select
from uuid_utils.compat import uuid7

from trially.auth.members.index import index_member
from trially.auth.members.invitations.accepting import verified_email
from trially.auth.members.provisioning.grants import Grant, first_effective, grants_of
from trially.auth.members.provisioning.model import LinkedBy, ProvisioningSetting, ScimUser
from trially.auth.members.rights import rights_of_member
from trially.auth.members.rows import insert_member
from trially.auth.members.sites import existing_sites, write_sites
from trially.database.placement import current_placement
from trially.database.rows import (
    Item,
    fetch_items,
    find_item,
    of_current_tenant,
    table_of,
    update_item,
)
from trially.database.since import lacking

SETTINGS = ("issuer", "linked_by")


def link_provisioned(issuer: str, subject: str, claims: Mapping[str, Any]) -> bool:
    """Make the caller a member of the current tenant, if the caller is a provisioned user.

    Only tokens of the issuer that the tenant's owner has chosen count. Returns whether the caller
    must stay outside, because the identity provider has deactivated the user: then an invitation
    does not count either. Raises `CatalogUnavailableError`.
    """
    if ScimUser.__tablename__ in lacking().tables:
        return False
    settings = find_item(ProvisioningSetting, current_placement().tenant_id, SETTINGS)
    if settings is None or settings["issuer"] != issuer:
        return False
    person = _is_person(LinkedBy(settings["linked_by"]), subject, claims)
    if person is None:
        return False
    users = _lock_users(person)
    active = [each for each in users if each["is_active"]]
    # Two active users with one address: which of them has signed in is not known.
    if len(active) == 1 and active[0]["member_id"] is None:
        [user] = active
        grant = first_effective(grants_of([user["id"]])[user["id"]], rights_of_member)
        if grant is not None:
            _add_member(user, issuer, subject, grant)
    return bool(users) and not active


def _is_person(
    linked_by: LinkedBy, subject: str, claims: Mapping[str, Any]
) -> ColumnElement[bool] | None:
    """Return the condition that selects the users who may be the caller; None for no user."""
    user = table_of(ScimUser).c
    if linked_by is LinkedBy.EXTERNAL_ID:
        return user.external_id == subject
    email = verified_email(claims)
    return None if email is None else user.email == email.lower()


def _lock_users(person: ColumnElement[bool]) -> Sequence[Item]:
    """Lock the users who may be the caller, and return them.

    Of several first requests, the second one waits here, and then finds the user linked.
    """
    user = table_of(ScimUser).c
    return fetch_items(
        select(user.id, user.display_name, user.email, user.is_active, user.member_id)
        .where(of_current_tenant(ScimUser), person)
        .order_by(user.id)
        .with_for_update()
    )


def _add_member(user: Item, issuer: str, subject: str, grant: Grant) -> None:
    rights, tenant_id = grant.rights, current_placement().tenant_id
    member = insert_member(
        {
            "id": uuid7(),
            "tenant_id": tenant_id,
            "issuer": issuer,
            "subject": subject,
            "display_name": user["display_name"],
            "email": user["email"],
            "role": rights.role,
            "phi_level": rights.phi_level,
            "has_all_sites": rights.site_ids is None,
        }
    )
    if member is None:
        return
    if rights.site_ids is not None:
        write_sites(member["id"], existing_sites(rights.site_ids))
    update_item(
        ScimUser, user["id"], {"member_id": member["id"], "granted_by": grant.group_id}, ("id",)
    )
    index_member(tenant_id, issuer, subject)
