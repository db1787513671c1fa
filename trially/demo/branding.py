"""The branding of the demo tenants. Lakeside Health has none, so it shows the default."""

from collections.abc import Mapping

from trially.database.session import transaction
from trially.organisation.branding.publishing import SHOWN, enqueue_publication
from trially.organisation.model import TenantBranding
from trially.organisation.singletons import lock_row, write_row

BRANDINGS: Mapping[str, Mapping[str, str]] = {
    "riverbend-clinic": {
        "product_name": "Riverbend Trials",
        "primary_color": "#1d3557",
        "on_primary_color": "#ffffff",
        "accent_color": "#1d5a8c",
    },
    "northstar-cro": {
        "product_name": "Northstar Recruit",
        "primary_color": "#7a2e0e",
        "on_primary_color": "#ffffff",
        "accent_color": "#8a3a12",
    },
}
"""By the slug of the tenant."""


def choose_branding(slug: str) -> None:
    """Choose the branding of the current tenant, unless somebody has chosen one."""
    if slug not in BRANDINGS:
        return
    with transaction():
        if lock_row(TenantBranding, SHOWN)["version"] == 0:
            write_row(TenantBranding, BRANDINGS[slug], SHOWN)
            enqueue_publication({})
