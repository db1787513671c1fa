"""The planes of the API: what each document says of itself, and which views it describes."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from trially.auth.organisations.permissions import OrganisationPermission
from trially.auth.permissions import Permission
from trially.auth.platform.permissions import PlatformPermission


@dataclass(frozen=True)
class Plane:
    """One document."""

    title: str
    info: dict[str, Any]
    scheme: str
    """The name of its security scheme."""

    token_format: str
    """The form of a bearer token, for people."""

    token: str
    """Which token the scheme takes."""

    permissions: type[StrEnum]
    """What its views require. Views that are open to all belong to the plane of tenants."""

    def has(self, permission: StrEnum | None) -> bool:
        """Return whether a view that requires a permission belongs to the plane."""
        if permission is None:
            return self.permissions is Permission
        return isinstance(permission, self.permissions)


CONTACT: dict[str, Any] = {
    "contact": {"name": "trially", "url": "https://trially.ai"},
    "license": {"name": "Proprietary", "identifier": "LicenseRef-Proprietary"},
}

INFO: dict[str, Any] = {
    "summary": "Recruit patients for clinical trials.",
    "description": """\
The back end of trially: sites, studies, patients with their records, and imports of FHIR data.

- **Token.** Every request needs `Authorization: Bearer` with an access token. `GET /api/v1/me` shows what its holder may do.
- **Tenant.** A token for several tenants chooses one with the header `X-Tenant-ID`, or with its slug before the path: `/acme/api/v1/me`.
- **Versions.** `etag` of a record is its version. A change needs it as `If-Match`, so that it cannot overwrite another change.
- **Masked fields.** Members with the PHI level `limited` see records without identifiers. `masked_fields` of a record names the
  fields that are hidden or less precise for the caller.
- **Pages.** A list has `page.next`, which is the `cursor` of its next page, with the same filters and `sort`.
- **Errors.** Every error is a problem (RFC 9457) with a stable `code`. The response `default` describes errors that the server sends
  before the API sees the request.
""",
    **CONTACT,
}

PLATFORM_INFO: dict[str, Any] = {
    "summary": "Operate an installation of trially.",
    "description": """\
The platform API, for operators' control panels: tenants, operations, servers, placements, plans, usage, migrations, doctor, backups.
It shows no data of patients.

- **Token.** Every request needs `Authorization: Bearer` with a token for the audience of the platform, whose holder is an operator.
- **Operations.** Every change answers 202 with an operation, whose URL is in `Location`. Poll it until its `state` is `done`, `failed` or
  `cancelled`.
- **Repeating.** With an `Idempotency-Key`, a repeated request answers with the operation of the first one.
- **Pages.** A list has `page.next`, which is the `cursor` of its next page.
- **Errors.** Every error is a problem (RFC 9457) with a stable `code`.
""",
    **CONTACT,
}

ORGANISATIONS_INFO: dict[str, Any] = {
    "summary": "See sums over the tenants of an organisation.",
    "description": """\
For people of organisations above tenants, such as a CRO over its sites. It shows sums of counts that the tenants share, and no row.

- **Token.** Every request needs `Authorization: Bearer` with a token for the audience of organisations, whose holder is a person of one.
- **Sums.** Numbers of patients were rounded down in each tenant. The true sum is between `at_least` and `at_most`.
- **Errors.** Every error is a problem (RFC 9457) with a stable `code`.
""",
    **CONTACT,
}

TENANTS = Plane(
    "trially",
    INFO,
    "bearer",
    "JWT or API key",
    "An access token of the OpenID provider that the installation trusts.",
    Permission,
)
PLATFORM = Plane(
    "trially platform",
    PLATFORM_INFO,
    "operator",
    "JWT",
    "An access token for the audience of the platform API, of an issuer that it trusts.",
    PlatformPermission,
)
ORGANISATIONS = Plane(
    "trially organisations",
    ORGANISATIONS_INFO,
    "person",
    "JWT",
    "An access token for the audience of organisations, of an issuer that is trusted for it.",
    OrganisationPermission,
)
