"""The placement of a suspended tenant, as an operator's command uses it.

The guard refuses every transaction of a suspended tenant's role. So the command logs in as the
administrator, who may write without the guard, and takes the role of the tables' owner. Requests
never do: their processes would have to ask for it here.
"""

from dataclasses import dataclass
from functools import cached_property

from trially.config import current_settings
from trially.database.placement import Placement
from trially.tenancy.advisory_locks import tenant_lock_key
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.preparing import owner_role


@dataclass(frozen=True)
class AdministeredPlacement(Placement):
    """A placement whose transactions run as the tables' owner, also while it is suspended."""

    @cached_property
    def opening(self) -> str:
        """The SQL sent before the first statement of each transaction.

        It takes the lock that the guard takes, and refuses a stale epoch as the guard does. Row
        security is forced, so it holds for the owner too.
        """
        key = tenant_lock_key(f"'{self.tenant_id}'::uuid")
        return (
            f"{self.beginning}SELECT pg_advisory_xact_lock_shared({key});"
            f"SELECT set_config('search_path','{self.schema}, pg_temp',true),"
            f"set_config('trially.tenant_id','{self.tenant_id}',true),"
            f"set_config('role','{self.role}',true){self.passed_quotas};"
            "DO $do$ BEGIN IF NOT EXISTS (SELECT FROM trially.placement"
            f" WHERE tenant_id = '{self.tenant_id}' AND epoch = {self.epoch:d}) THEN"
            " RAISE SQLSTATE 'TR001' USING MESSAGE = 'stale'; END IF; END $do$;"
        )


def administered_placement(placement: Placement) -> AdministeredPlacement:
    """Return a tenant's placement for the administrator, who ignores a suspension."""
    access = server_access(placement.server)
    return AdministeredPlacement(
        tenant_id=placement.tenant_id,
        bind_key=f"{placement.bind_key}/administered",
        schema=placement.schema,
        epoch=placement.epoch,
        url=access.administrator_url(placement.url.database),
        role=owner_role(current_settings()),
        revision=placement.revision,
        fields=placement.fields,
        quotas=placement.quotas,
    )
