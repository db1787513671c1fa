"""A database on the server of an instance that is pinned to its one tenant."""

from sqlalchemy.orm import Session

from trially.config import current_settings
from trially.tenancy.catalog import PlacementRecord, Server, Tier
from trially.tenancy.pinning import NotPinnedError
from trially.tenancy.tiers.dedicated_database import DedicatedDatabase


class Silo(DedicatedDatabase):
    """For premises of the tenant's own: the wall is the process and the network.

    Behind it the tenant lives as in a dedicated database, with every wall of that tier.
    """

    tier = Tier.SILO

    def allocate(self, session: Session, server: Server) -> PlacementRecord:
        """Return an unsaved placement, or raise `NotPinnedError` where others live too."""
        if current_settings().pinned_tenant is None:
            raise NotPinnedError(
                "A silo is an instance of its own, and this one is not pinned to a tenant: "
                "`flask tenants silo SLUG --out DIR` writes what runs one."
            )
        return super().allocate(session, server)
