"""The tier of silos: a database on the server of an instance that is pinned to its one tenant."""

from uuid import UUID

from sqlalchemy.orm import Session

from trially.config import current_settings
from trially.tenancy.catalog import PlacementRecord, Server
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.pinning import NotPinnedError
from trially.tenancy.tiers.dedicated_database import DedicatedDatabase


class Silo(DedicatedDatabase):
    """For on-premises tenants. Its walls are the process and the network.

    The tenant's rows are placed as in a dedicated database, with every wall of that tier.
    """

    tier = Tier.SILO
    is_offered_by_plans = False
    can_move = False

    def allocate(self, session: Session, server: Server, tenant_id: UUID) -> PlacementRecord:
        """Return an unsaved placement, or raise `NotPinnedError` on an instance of many tenants."""
        if current_settings().pinned_tenant is None:
            raise NotPinnedError(
                "A silo is an instance of its own, and this instance is not pinned to one tenant. "
                "Run `flask tenants silo SLUG --out DIR` to write the files of a silo."
            )
        return super().allocate(session, server, tenant_id)
