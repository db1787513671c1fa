"""Clone a tenant."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from trially.tenancy.catalog import Operation, Server, Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.cloning.steps import CLONE
from trially.tenancy.encrypting.states import refuse_encrypted
from trially.tenancy.lifecycle.held_snapshots import LONGEST_SECONDS
from trially.tenancy.lifecycle.operations import run_operation
from trially.tenancy.lifecycle.provisioning import begin_tenant, find_tenant_record, tenant_like
from trially.tenancy.lifecycle.status import find_to_change
from trially.tenancy.servers.choice import choose_server
from trially.tenancy.tiers import TIERS


@dataclass(frozen=True)
class CloneOptions:
    """How a tenant is cloned."""

    masked: bool = False
    """Whether identifiers become fictitious, dates are shifted and free text is removed."""

    name: str | None = None
    """The name of the new organisation; by default its slug. The source's name identifies it."""

    tier: Tier | None = None
    """By default that of the source."""

    server: str | None = None
    """By default the emptiest server of the source's region."""

    owner: str | None = None
    """The first member. The members of the source are not members of the clone."""

    owner_issuer: str | None = None

    longest_seconds: float = LONGEST_SECONDS
    """How long the snapshot of the source is held at most."""


def clone_tenant(reference: str, slug: str, options: CloneOptions) -> Tenant:
    """Copy a tenant as a new one with this slug, and return the new one.

    If a step fails, nothing of the new tenant is left. Raises `UnknownTenantError`,
    `InvalidSlugError`, `TenantExistsError`, `NoServerError`, `NoFittingServerError`,
    `LongSnapshotError` or `CloneError`.
    """
    if options.masked:
        refuse_encrypted(reference, "no masked clone is made of it: masking reads what it replaces")
    with catalog_transaction() as session:
        source = find_to_change(session, reference)
        tenant = tenant_like(source, slug, options.name or slug)
        tier = options.tier or Tier(source.placement.tier)
        server = choose_server(session, tier, source.region, options.server)
        operation = _begin(session, source, tenant, tier, server, options)
    run_operation(operation.id)
    return find_tenant_record(operation.tenant_id)


def _begin(
    session: Session,
    source: Tenant,
    tenant: Tenant,
    tier: Tier,
    server: Server,
    options: CloneOptions,
) -> Operation:
    parameters: dict[str, Any] = {
        "source": str(source.placement.id),
        "masked": options.masked,
        "longest_seconds": options.longest_seconds,
    }
    if options.owner is not None:
        parameters |= {"owner": options.owner, "owner_issuer": options.owner_issuer}
    return begin_tenant(session, CLONE.name, tenant, TIERS[tier], server, parameters)
