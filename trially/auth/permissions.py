"""Permissions, and the decorators that set what a view requires."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])


class Permission(StrEnum):
    """Something a caller may do. The value is `<resource>:<action>`."""

    ALERT_RULES_WRITE = "alert_rules:write"
    """Change the rules of alerts."""

    ALERTS_ACKNOWLEDGE = "alerts:acknowledge"
    """Acknowledge alerts."""

    API_KEYS_READ = "api_keys:read"
    """Read which API keys the tenant has, but no key."""

    API_KEYS_WRITE = "api_keys:write"
    """Create API keys that act for the caller, and revoke those of all members."""

    AUDIT_READ = "audit:read"
    """Read the audit log, its alerts, and who saw a patient."""

    COUNTS_SHARE = "counts:share"
    """Share counts of the tenant with organisations, and end that."""

    CUSTOM_FIELDS_READ = "custom_fields:read"
    """Read which custom fields the tenant has defined, but no values."""

    CUSTOM_FIELDS_WRITE = "custom_fields:write"
    """Define, change, archive and delete custom fields."""

    EXPORTS_WRITE = "exports:write"
    """Export all that the tenant stores, and download exports."""

    IMPORTS_DELETE = "imports:delete"
    """Delete imports with their faults. The imported records stay."""

    IMPORTS_READ = "imports:read"
    """Read imports and their faults."""

    IMPORTS_WRITE = "imports:write"
    """Import records."""

    ISSUERS_READ = "issuers:read"
    """Read which issuers the tenant has registered for itself."""

    ISSUERS_WRITE = "issuers:write"
    """Register, test, prove, change and remove issuers of the tenant."""

    JOBS_MANAGE = "jobs:manage"
    """Read and cancel the jobs of all members."""

    JOBS_READ = "jobs:read"
    """Read the jobs that the caller has asked for."""

    JOBS_WRITE = "jobs:write"
    """Cancel the jobs that the caller has asked for."""

    ME_READ = "me:read"
    """Read the caller's own membership and permissions."""

    MATCHES_COUNT = "matches:count"
    """Count whom the criteria of studies select, and preview changed criteria."""

    MATCHES_DECIDE = "matches:decide"
    """Include and exclude patients of a study by hand."""

    MATCHES_READ = "matches:read"
    """Read which patients match studies, and why."""

    MATCHES_RUN = "matches:run"
    """Compute the matches of a study."""

    MEMBERS_PROVISION = "members:provision"
    """Send users and groups by SCIM, who become members. It is for identity providers' API keys."""

    MEMBERS_READ = "members:read"
    """Read the tenant's members and invitations, with their roles and PHI levels."""

    MEMBERS_WRITE = "members:write"
    """Invite, change and remove members. A member grants only what the member has."""

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

    PROVISIONING_WRITE = "provisioning:write"
    """Choose where provisioned users sign in, and what their groups grant."""

    SETTINGS_READ = "settings:read"
    """Read the tenant's settings and its branding."""

    SETTINGS_WRITE = "settings:write"
    """Change the tenant's settings, its branding and its domain."""

    SITES_READ = "sites:read"
    """Read sites."""

    SITES_WRITE = "sites:write"
    """Create and change sites."""

    SOURCES_READ = "sources:read"
    """Read the sources of records, and how they are read."""

    SOURCES_WRITE = "sources:write"
    """Create sources, and change how their records are read."""

    STUDIES_APPROVE = "studies:approve"
    """Activate versions of protocols."""

    STUDIES_READ = "studies:read"
    """Read studies, with their sites, teams, documents and versions of protocols."""

    STUDIES_WRITE = "studies:write"
    """Import, create and change studies, with their sites, teams, documents and criteria."""

    SUPPORT_READ = "support:read"
    """Read which operators may enter the tenant, or could, and why."""

    USAGE_READ = "usage:read"
    """Read what is counted for the tenant's bill."""

    VALUE_SETS_READ = "value_sets:read"
    """Read value sets and their codes, and search the loaded terminologies."""

    VALUE_SETS_WRITE = "value_sets:write"
    """Create and change value sets."""

    WEBHOOKS_READ = "webhooks:read"
    """Read which webhooks are sent, and what became of each."""

    WEBHOOKS_WRITE = "webhooks:write"
    """Create, change, test and replay webhooks, and rotate their secrets."""


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
