"""The tenants that a request names, as entries of the directory."""

import re

from flask import request

from trially.auth.tenant_prefix import PATH_TENANT
from trially.slugs import REFERENCE_PATTERN
from trially.tenancy.directory import TenantEntry, UnknownTenantError, directory

TENANT_HEADER = "X-Tenant-ID"
_TENANT_VARIABLE = "HTTP_X_TENANT_ID"
_REFERENCE = re.compile(rf"{REFERENCE_PATTERN}\Z")


def read_choices() -> set[str]:
    """Return the tenants that the header and the path name. An empty header is a name, too."""
    environ = request.environ
    names = (environ.get(_TENANT_VARIABLE), environ.get(PATH_TENANT))
    return {name for name in names if name is not None}


def find_entry(reference: str) -> TenantEntry | None:
    """Return the entry of a tenant, or None if there is none.

    Raises `CatalogUnavailableError`.
    """
    if not _REFERENCE.match(reference):
        return None
    try:
        return directory().find(reference)
    except UnknownTenantError:
        return None
