"""What each role may do, as one table, what is shown of patients, and the marks a view carries."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])


class Permission(StrEnum):
    """Something a caller may do. The value is `<resource>:<action>`."""

    IMPORTS_READ = "imports:read"
    """See imports and what went wrong in them."""

    IMPORTS_WRITE = "imports:write"
    """Bring records in."""

    ME_READ = "me:read"
    """See who one is and what one may do."""

    MEMBERS_READ = "members:read"
    """See who belongs to the tenant, and what each may see."""

    PATIENTS_COUNT = "patients:count"
    """Learn how many patients there are, and nothing about any of them."""

    PATIENTS_DELETE = "patients:delete"
    """Remove a patient and all records of them."""

    PATIENTS_READ = "patients:read"
    """See patients and their records."""

    PATIENTS_WRITE = "patients:write"
    """Add and change patients."""

    SITES_READ = "sites:read"
    """See the sites."""

    SITES_WRITE = "sites:write"
    """Add and change sites."""

    STUDIES_READ = "studies:read"
    """See the studies."""

    STUDIES_WRITE = "studies:write"
    """Add and change studies."""


class Role(StrEnum):
    """What a member is in their tenant."""

    OWNER = "owner"
    ADMIN = "admin"
    COORDINATOR = "coordinator"
    RECRUITER = "recruiter"
    VIEWER = "viewer"
    AUDITOR = "auditor"


class PhiLevel(StrEnum):
    """How much a member is shown of patients."""

    FULL = "full"
    """All of it."""

    LIMITED = "limited"
    """What does not say who a patient is; fields say themselves what becomes of them."""

    NONE = "none"
    """How many there are."""


DEFAULT_PHI_LEVELS: Mapping[Role, PhiLevel] = {
    Role.OWNER: PhiLevel.FULL,
    Role.ADMIN: PhiLevel.FULL,
    Role.COORDINATOR: PhiLevel.FULL,
    Role.RECRUITER: PhiLevel.FULL,
    Role.VIEWER: PhiLevel.LIMITED,
    Role.AUDITOR: PhiLevel.NONE,
}

_READ = frozenset(
    {
        Permission.ME_READ,
        Permission.IMPORTS_READ,
        Permission.PATIENTS_COUNT,
        Permission.PATIENTS_READ,
        Permission.SITES_READ,
        Permission.STUDIES_READ,
    }
)

ROLE_PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.OWNER: frozenset(Permission),
    Role.ADMIN: frozenset(Permission),
    Role.COORDINATOR: _READ
    | {
        Permission.IMPORTS_WRITE,
        Permission.PATIENTS_WRITE,
        Permission.SITES_WRITE,
        Permission.STUDIES_WRITE,
    },
    Role.RECRUITER: _READ | {Permission.PATIENTS_WRITE},
    Role.VIEWER: _READ,
    Role.AUDITOR: frozenset(
        {
            Permission.ME_READ,
            Permission.IMPORTS_READ,
            Permission.MEMBERS_READ,
            Permission.PATIENTS_COUNT,
            Permission.SITES_READ,
            Permission.STUDIES_READ,
        }
    ),
}

SHOWS_NO_PATIENT = frozenset(
    {
        Permission.IMPORTS_READ,
        Permission.IMPORTS_WRITE,
        Permission.ME_READ,
        Permission.MEMBERS_READ,
        Permission.PATIENTS_COUNT,
        Permission.SITES_READ,
        Permission.SITES_WRITE,
        Permission.STUDIES_READ,
        Permission.STUDIES_WRITE,
    }
)
"""What the level `none` leaves: routes behind all other permissions are about single patients,
and each field that they answer with says what becomes of it at the level `limited`."""

SPANS_ALL_SITES = frozenset({Permission.IMPORTS_READ, Permission.IMPORTS_WRITE})
"""What a member restricted to some sites has not got: an import may touch the patients of any."""


@cache
def permissions_of(role: Role, level: PhiLevel, *, has_all_sites: bool) -> frozenset[Permission]:
    """Return what a member may do: what their role may, unless their level or sites forbid it."""
    permissions = ROLE_PERMISSIONS[role]
    if level is PhiLevel.NONE:
        permissions &= SHOWS_NO_PATIENT
    if not has_all_sites:
        permissions -= SPANS_ALL_SITES
    return permissions


class UnguardedViewError(RuntimeError):
    """A view says neither what it requires nor that it is public."""


def requires(permission: Permission) -> Callable[[View], View]:
    """Mark a view as needing `permission` in the caller's tenant."""

    def mark(view: View) -> View:
        view.__dict__["permission"] = permission
        return view

    return mark


def public(view: View) -> View:
    """Mark a view as open to callers without a token."""
    view.__dict__["permission"] = None
    return view


def refuse_unguarded_views(views: Mapping[str, Callable[..., Any]]) -> None:
    """Raise `UnguardedViewError` if a view carries neither mark."""
    for endpoint, view in sorted(views.items()):
        if "permission" not in view.__dict__:
            raise UnguardedViewError(
                f"The view of {endpoint!r} carries neither @requires nor @public. Add"
                " @requires(Permission.…) below its route."
            )
