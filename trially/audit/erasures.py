"""What an erasure does to audit logs: the tenant's log notes the order, and witnesses forget."""

import datetime as dt
from collections.abc import Iterator

from trially.audit.recording import note
from trially.audit.tenant_log import tenant_log
from trially.audit.witnesses import Witness, configured_witnesses
from trially.database.session import transaction
from trially.tenancy.catalog import Tenant
from trially.tenancy.context import administered_tenant
from trially.tenancy.erasing.erased_tenant import ErasedTenant
from trially.tenancy.erasing.stores import Found, erasure_ordered, register


@erasure_ordered.connect
def note_order(tenant: Tenant, *, after: dt.datetime, reason: str | None) -> None:
    """Write into the tenant's own log that its erasure is ordered, and by whom."""
    with administered_tenant(str(tenant.id)), transaction():
        note(erasure_ordered={"after": after.isoformat(), "reason": reason})


class WitnessStore:
    """The hashes of a tenant's seals at the configured witnesses."""

    def look(self, tenant: ErasedTenant) -> Iterator[Found]:
        """Count the entries of the tenant's log at each witness."""
        for witness in configured_witnesses():
            yield Found(
                f"witness {witness.name}", "entries", _count(witness, tenant), _why_kept(witness)
            )

    def remove(self, tenant: ErasedTenant) -> None:
        """Remove the entries, where the witness allows it."""
        for witness in configured_witnesses():
            witness.remove(tenant_log(tenant.id).name)


def _count(witness: Witness, tenant: ErasedTenant) -> int:
    return sum(1 for _ in witness.entries(tenant_log(tenant.id).name))


def _why_kept(witness: Witness) -> str | None:
    if witness.is_removable:
        return None
    return (
        "The store may refuse to delete before its retention ends. The entries are hashes of hashes"
        " with the tenant's id, and hold no personal data."
    )


register(WitnessStore())
