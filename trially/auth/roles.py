"""Roles of members, PHI levels, and which permissions they give."""

from collections.abc import Mapping
from enum import StrEnum
from functools import cache

from trially.auth.permissions import Permission


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
        Permission.CUSTOM_FIELDS_READ,
        Permission.ME_READ,
        Permission.IMPORTS_READ,
        Permission.JOBS_READ,
        Permission.MATCHES_COUNT,
        Permission.MATCHES_READ,
        Permission.PATIENTS_COUNT,
        Permission.PATIENTS_READ,
        Permission.SITES_READ,
        Permission.SOURCES_READ,
        Permission.STUDIES_READ,
        Permission.VALUE_SETS_READ,
    }
)

ROLE_PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.OWNER: frozenset(Permission),
    # An admin could otherwise silence the alerts about the admin's own requests. Only an owner
    # lets numbers leave the tenant, or lets an identity provider say who is a member. And who has
    # an issuer can sign in as any member of it.
    Role.ADMIN: frozenset(Permission)
    - {
        Permission.ALERT_RULES_WRITE,
        Permission.COUNTS_SHARE,
        Permission.ISSUERS_WRITE,
        Permission.MEMBERS_PROVISION,
        Permission.PROVISIONING_WRITE,
    },
    Role.COORDINATOR: _READ
    | {
        Permission.IMPORTS_WRITE,
        Permission.JOBS_WRITE,
        Permission.MATCHES_DECIDE,
        Permission.MATCHES_RUN,
        Permission.PATIENTS_WRITE,
        Permission.SITES_WRITE,
        Permission.STUDIES_WRITE,
        Permission.VALUE_SETS_WRITE,
    },
    Role.RECRUITER: _READ | {Permission.MATCHES_DECIDE, Permission.PATIENTS_WRITE},
    Role.VIEWER: _READ,
    Role.AUDITOR: frozenset(
        {
            Permission.ALERTS_ACKNOWLEDGE,
            Permission.AUDIT_READ,
            Permission.CUSTOM_FIELDS_READ,
            Permission.ME_READ,
            Permission.IMPORTS_READ,
            Permission.JOBS_READ,
            Permission.MATCHES_COUNT,
            Permission.MEMBERS_READ,
            Permission.PATIENTS_COUNT,
            Permission.SITES_READ,
            Permission.SOURCES_READ,
            Permission.STUDIES_READ,
            Permission.SUPPORT_READ,
            Permission.VALUE_SETS_READ,
        }
    ),
}

SHOWS_NO_PATIENT = frozenset(
    {
        Permission.ALERT_RULES_WRITE,
        Permission.ALERTS_ACKNOWLEDGE,
        Permission.API_KEYS_READ,
        Permission.API_KEYS_WRITE,
        Permission.AUDIT_READ,
        Permission.COUNTS_SHARE,
        Permission.CUSTOM_FIELDS_READ,
        Permission.CUSTOM_FIELDS_WRITE,
        Permission.IMPORTS_DELETE,
        Permission.IMPORTS_READ,
        Permission.IMPORTS_WRITE,
        Permission.ISSUERS_READ,
        Permission.ISSUERS_WRITE,
        Permission.JOBS_MANAGE,
        Permission.JOBS_READ,
        Permission.JOBS_WRITE,
        Permission.MATCHES_COUNT,
        Permission.MATCHES_RUN,
        Permission.ME_READ,
        Permission.MEMBERS_PROVISION,
        Permission.MEMBERS_READ,
        Permission.MEMBERS_WRITE,
        Permission.PATIENTS_COUNT,
        Permission.PROVISIONING_WRITE,
        Permission.SETTINGS_READ,
        Permission.SETTINGS_WRITE,
        Permission.SITES_READ,
        Permission.SITES_WRITE,
        Permission.SOURCES_READ,
        Permission.SOURCES_WRITE,
        Permission.STUDIES_APPROVE,
        Permission.STUDIES_READ,
        Permission.STUDIES_WRITE,
        Permission.SUPPORT_READ,
        Permission.USAGE_READ,
        Permission.VALUE_SETS_READ,
        Permission.VALUE_SETS_WRITE,
        Permission.WEBHOOKS_READ,
        Permission.WEBHOOKS_WRITE,
    }
)
"""The permissions that a member of the PHI level `none` keeps, but for those of `NEEDS_FULL`.

The audit log names patients by their ids only. Routes behind all other permissions return single
patients. Each field of their responses declares
how it is masked at the level `limited`.
"""

SPANS_ALL_SITES = frozenset(
    {
        Permission.ALERT_RULES_WRITE,
        Permission.ALERTS_ACKNOWLEDGE,
        Permission.AUDIT_READ,
        Permission.COUNTS_SHARE,
        Permission.CUSTOM_FIELDS_WRITE,
        Permission.EXPORTS_WRITE,
        Permission.IMPORTS_DELETE,
        Permission.IMPORTS_READ,
        Permission.IMPORTS_WRITE,
        Permission.ISSUERS_WRITE,
        Permission.JOBS_MANAGE,
        Permission.MEMBERS_PROVISION,
        Permission.PROVISIONING_WRITE,
        Permission.SETTINGS_WRITE,
        Permission.SOURCES_READ,
        Permission.SOURCES_WRITE,
        Permission.USAGE_READ,
    }
)
"""The permissions that a member restricted to some sites loses.

Imports, their sources, settings, issuers, custom fields, provisioned users, the audit log and the
bill affect all sites. So do other members' jobs.
"""

NOT_FOR_KEYS = frozenset(
    {
        Permission.API_KEYS_WRITE,
        Permission.COUNTS_SHARE,
        Permission.ISSUERS_WRITE,
        Permission.MEMBERS_WRITE,
        Permission.PROVISIONING_WRITE,
    }
)
"""The permissions that no API key has.

A stolen key could otherwise make itself a successor. And a person consents, not a program. The key
of an identity provider moves users in and out of groups, but does not say what a group grants.
"""

NEEDS_FULL = frozenset(
    {Permission.EXPORTS_WRITE, Permission.ISSUERS_WRITE, Permission.PATIENTS_EXPORT}
)
"""The permissions that only members of the PHI level `full` have.

An archive is not masked. And an issuer signs tokens of members who see all.
"""


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
