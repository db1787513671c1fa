"""What each role may do, as one table, and the marks a view carries."""

from collections.abc import Callable, Mapping
from enum import StrEnum
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


_READ = frozenset(
    {
        Permission.ME_READ,
        Permission.IMPORTS_READ,
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
            Permission.SITES_READ,
            Permission.STUDIES_READ,
        }
    ),
}


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
                f"The view of {endpoint!r} carries neither @requires nor @public."
            )
