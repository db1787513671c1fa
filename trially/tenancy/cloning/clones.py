"""Clone a tenant."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from trially.tenancy.catalog import (
    Operation,
    Server,
    Tenant,
    TenantKind,
    TenantStatus,
    Tier,
)
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.cloning.steps import CLONE
from trially.tenancy.encrypting.states import refuse_encrypted
from trially.tenancy.lifecycle.operations import run_operation
from trially.tenancy.lifecycle.provisioning import (
    begin_tenant,
    check_options,
    find_tenant_record,
)
from trially.tenancy.lifecycle.status import find_to_change
from trially.tenancy.names import check_slug
from trially.tenancy.pinning import refuse_unserved
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


def clone_tenant(reference: str, slug: str, options: CloneOptions) -> Tenant:
    """Copy a tenant as a new one with this slug, and return the new one.

    If a step fails, nothing of the new tenant is left. Raises `UnknownTenantError`,
    `InvalidSlugError`, `TenantExistsError`, `NoServerError`, `NoFittingServerError` or
    `CloneError`.
    """
    check_slug(slug)
    name = options.name or slug
    check_options(name, {})
    refuse_unserved(slug)
    if options.masked:
        refuse_encrypted(reference, "no masked clone is made of it: masking reads what it replaces")
    with catalog_transaction() as session:
        source = find_to_change(session, reference)
        tenant = _new_tenant(source, slug, name)
        tier = options.tier or Tier(source.placement.tier)
        server = choose_server(session, tier, source.region, options.server)
        operation = _begin(session, source, tenant, tier, server, options)
    run_operation(operation.id)
    return find_tenant_record(operation.tenant_id)


def _new_tenant(source: Tenant, slug: str, name: str) -> Tenant:
    return Tenant(
        id=uuid7(),
        slug=slug,
        name=name,
        kind=TenantKind(source.kind),
        plan=source.plan,
        region=source.region,
        time_zone=source.time_zone,
        status=TenantStatus.PROVISIONING,
        settings={},
    )


def _begin(
    session: Session,
    source: Tenant,
    tenant: Tenant,
    tier: Tier,
    server: Server,
    options: CloneOptions,
) -> Operation:
    parameters: dict[str, Any] = {"source": str(source.placement.id), "masked": options.masked}
    if options.owner is not None:
        parameters |= {"owner": options.owner, "owner_issuer": options.owner_issuer}
    return begin_tenant(session, CLONE.name, tenant, TIERS[tier], server, parameters)
