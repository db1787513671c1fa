"""Permissions and roles of people of organisations, and the decorator that their views require.

They have nothing in common with members' permissions: no role of a tenant includes one of them, and
no role of an organisation includes one of a tenant's or of the platform's.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from trially.tenancy.organisations.model import OrganisationRole

View = TypeVar("View", bound=Callable[..., Any])


class OrganisationPermission(StrEnum):
    """Something a person may do in an organisation. `<resource>:<action>`."""

    ORGANISATION_READ = "organisation:read"
    """Read the caller's own organisations."""

    ANALYTICS_READ = "organisation_analytics:read"
    """Read sums over the tenants of the organisation."""


ROLES: Mapping[OrganisationRole, frozenset[OrganisationPermission]] = {
    OrganisationRole.ANALYST: frozenset(OrganisationPermission)
}
"""What each role may do."""


def requires_organisation(permission: OrganisationPermission) -> Callable[[View], View]:
    """Return a decorator: the view is for people of organisations, and requires `permission`."""

    def mark(view: View) -> View:
        view.__dict__["permission"] = permission
        return view

    return mark
