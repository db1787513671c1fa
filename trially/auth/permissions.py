"""Roles, permissions and PHI levels, and the decorators that set what a view requires."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])


class Permission(StrEnum):
    """Something a caller may do. The value is `<resource>:<action>`."""

    ALERT_RULES_WRITE = "alert_rules:write"
    """Change the rules of alerts."""

    ALERTS_ACKNOWLEDGE = "alerts:acknowledge"
    """Acknowledge alerts."""

    AUDIT_READ = "audit:read"
    """Read the audit log, its alerts, and who saw a patient."""

    EXPORTS_WRITE = "exports:write"
    """Export all that the tenant stores, and download exports."""

    IMPORTS_DELETE = "imports:delete"
    """Delete imports with their faults. The imported records stay."""

    IMPORTS_READ = "imports:read"
    """Read imports and their faults."""

    IMPORTS_WRITE = "imports:write"
    """Import records."""

    JOBS_MANAGE = "jobs:manage"
    """Read and cancel the jobs of all members."""

    JOBS_READ = "jobs:read"
    """Read the jobs that the caller has asked for."""

    JOBS_WRITE = "jobs:write"
    """Cancel the jobs that the caller has asked for."""

    ME_READ = "me:read"
    """Read the caller's own membership and permissions."""

    MEMBERS_READ = "members:read"
    """Read the tenant's members, with their roles and PHI levels."""

    PATIENTS_COUNT = "patients:count"
    """Read the number of patients, but no patient."""

    PATIENTS_DELETE = "patients:delete"
    """Delete a patient and all of the patient's records."""

    PATIENTS_ERASE = "patients:erase"
    """Erase a person with a certificate, and place and release legal holds."""

    PATIENTS_EXPORT = "patients:export"
    """Export all that is stored about one patient, and who saw it."""

    PATIENTS_READ = "patients:read"
    """Read patients and their records."""

    PATIENTS_WRITE = "patients:write"
    """Create and change patients."""

    SITES_READ = "sites:read"
    """Read sites."""

    SITES_WRITE = "sites:write"
    """Create and change sites."""

    SOURCES_READ = "sources:read"
    """Read the sources of records, and how they are read."""

    SOURCES_WRITE = "sources:write"
    """Create sources, and change how their records are read."""

    STUDIES_READ = "studies:read"
    """Read studies."""

    STUDIES_WRITE = "studies:write"
    """Create and change studies."""

    SUPPORT_READ = "support:read"
    """Read which operators may enter the tenant, or could, and why."""


class Role(StrEnum):
    """The role of a member in their tenant."""

    OWNER = "owner"
    ADMIN = "admin"
    COORDINATOR = "coordinator"
    RECRUITER = "recruiter"
    VIEWER = "viewer"
    AUDITOR = "auditor"


class PhiLevel(StrEnum):
    """How much of patients' data a member sees."""

    FULL = "full"
    """All data."""

    LIMITED = "limited"
    """Data that do not identify a patient. Each field declares how it is masked."""

    NONE = "none"
    """Only the number of patients."""


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
        Permission.JOBS_READ,
        Permission.PATIENTS_COUNT,
        Permission.PATIENTS_READ,
        Permission.SITES_READ,
        Permission.SOURCES_READ,
        Permission.STUDIES_READ,
    }
)

ROLE_PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.OWNER: frozenset(Permission),
    # An admin could otherwise silence the alerts about the admin's own requests.
    Role.ADMIN: frozenset(Permission) - {Permission.ALERT_RULES_WRITE},
    Role.COORDINATOR: _READ
    | {
        Permission.IMPORTS_WRITE,
        Permission.JOBS_WRITE,
        Permission.PATIENTS_WRITE,
        Permission.SITES_WRITE,
        Permission.STUDIES_WRITE,
    },
    Role.RECRUITER: _READ | {Permission.PATIENTS_WRITE},
    Role.VIEWER: _READ,
    Role.AUDITOR: frozenset(
        {
            Permission.ALERTS_ACKNOWLEDGE,
            Permission.AUDIT_READ,
            Permission.ME_READ,
            Permission.IMPORTS_READ,
            Permission.JOBS_READ,
            Permission.MEMBERS_READ,
            Permission.PATIENTS_COUNT,
            Permission.SITES_READ,
            Permission.SOURCES_READ,
            Permission.STUDIES_READ,
            Permission.SUPPORT_READ,
        }
    ),
}

SHOWS_NO_PATIENT = frozenset(
    {
        Permission.ALERT_RULES_WRITE,
        Permission.ALERTS_ACKNOWLEDGE,
        Permission.AUDIT_READ,
        Permission.IMPORTS_DELETE,
        Permission.IMPORTS_READ,
        Permission.IMPORTS_WRITE,
        Permission.JOBS_MANAGE,
        Permission.JOBS_READ,
        Permission.JOBS_WRITE,
        Permission.ME_READ,
        Permission.MEMBERS_READ,
        Permission.PATIENTS_COUNT,
        Permission.SITES_READ,
        Permission.SITES_WRITE,
        Permission.SOURCES_READ,
        Permission.SOURCES_WRITE,
        Permission.STUDIES_READ,
        Permission.STUDIES_WRITE,
        Permission.SUPPORT_READ,
    }
)
"""The permissions that a member of the PHI level `none` keeps.

The audit log names patients by their ids only. Routes behind all other permissions return single
patients. Each field of their responses declares
how it is masked at the level `limited`.
"""

SPANS_ALL_SITES = frozenset(
    {
        Permission.ALERT_RULES_WRITE,
        Permission.ALERTS_ACKNOWLEDGE,
        Permission.AUDIT_READ,
        Permission.EXPORTS_WRITE,
        Permission.IMPORTS_DELETE,
        Permission.IMPORTS_READ,
        Permission.IMPORTS_WRITE,
        Permission.JOBS_MANAGE,
        Permission.SOURCES_READ,
        Permission.SOURCES_WRITE,
    }
)
"""The permissions that a member restricted to some sites loses.

Imports, their sources and the audit log affect all sites. So do other members' jobs.
"""


NEEDS_FULL = frozenset({Permission.EXPORTS_WRITE, Permission.PATIENTS_EXPORT})
"""The permissions that only members of the PHI level `full` have: an archive is not masked."""


@cache
def permissions_of(role: Role, level: PhiLevel, *, has_all_sites: bool) -> frozenset[Permission]:
    """Return a member's permissions: those of the role, less what PHI level and sites exclude."""
    permissions = ROLE_PERMISSIONS[role]
    if level is PhiLevel.NONE:
        permissions &= SHOWS_NO_PATIENT
    if level is not PhiLevel.FULL:
        permissions -= NEEDS_FULL
    if not has_all_sites:
        permissions -= SPANS_ALL_SITES
    return permissions


class UnguardedViewError(RuntimeError):
    """A view has neither `@requires` nor `@public`."""


def requires(permission: Permission) -> Callable[[View], View]:
    """Return a decorator: the view requires `permission` in the caller's tenant."""

    def mark(view: View) -> View:
        view.__dict__["permission"] = permission
        return view

    return mark


def public(view: View) -> View:
    """Declare that a view is open to callers without a token."""
    view.__dict__["permission"] = None
    return view


def refuse_unguarded_views(views: Mapping[str, Callable[..., Any]]) -> None:
    """Raise `UnguardedViewError` if a view has neither `@requires` nor `@public`."""
    for endpoint, view in sorted(views.items()):
        if "permission" not in view.__dict__:
            raise UnguardedViewError(
                f"The view of {endpoint!r} has neither @requires nor @public."
                " Add @requires(Permission.…) below its route."
            )
