"""Which tenants have outgrown their tier, their server or their plan, by the rules."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from trially.advice.candidates import Candidate, Place, Wish, limit_of, place
from trially.advice.fleet import Fleet, ServerFacts, TenantFacts
from trially.advice.rules import THRESHOLDS, Rule, Thresholds
from trially.tenancy.tiers import TIERS
from trially.terminal.quantities import format_bytes, format_share


@dataclass(frozen=True)
class Unplaced:
    """What a rule asks for, and no move of today can fulfil."""

    subject: str
    """The slug of the tenant, or the name of the server."""

    rule: Rule
    reason: str
    remedy: str
    """What an operator can do, as a sentence."""


def propose(
    fleet: Fleet, refused: Collection[Place], limits: Thresholds = THRESHOLDS
) -> Candidate | None:
    """Return the most urgent move of a fleet that is not refused, or None."""
    for wish in wishes(fleet, limits):
        if (candidate := place(fleet, wish, refused, limits)) is not None:
            return candidate
    return None


def wishes(fleet: Fleet, limits: Thresholds = THRESHOLDS) -> Iterator[Wish]:
    """Yield what the rules ask for, the most urgent first: rules in their order, large tenants."""
    own = [wish for tenant in fleet.movable if (wish := _wish_of(fleet, tenant, limits))]
    crowded = [wish for server in fleet.servers for wish in _wishes_at(fleet, server, limits)]
    yield from sorted(own + crowded, key=lambda wish: list(Rule).index(wish.rule))


def unplaced(
    fleet: Fleet, refused: Collection[Place], limits: Thresholds = THRESHOLDS
) -> Iterator[Unplaced]:
    """Yield the wishes without a place, and what needs another plan or another server."""
    tried = {tenant_id for tenant_id, _, _ in refused}
    for wish in wishes(fleet, limits):
        is_of_server = wish.rule is Rule.SERVER_CROWDED
        if wish.tenant.id in tried or is_of_server or place(fleet, wish, refused, limits):
            continue
        yield Unplaced(wish.tenant.slug, wish.rule, wish.reason, _remedy(wish))
    for server in fleet.servers:
        reason = None if server.record.is_draining else _crowd_at(server, limits)
        if reason is not None and not any(
            place(fleet, wish, refused, limits) for wish in _wishes_at(fleet, server, limits)
        ):
            remedy = (
                "No other server has room for one of its tenants. Add one: `flask servers add`."
            )
            yield Unplaced(server.name, Rule.SERVER_CROWDED, reason, remedy)
    for tenant in fleet.tenants:
        yield from _nearly_used(tenant, limits)


def _wish_of(fleet: Fleet, tenant: TenantFacts, limits: Thresholds) -> Wish | None:
    """Return what the first rule that holds asks for a tenant."""
    kind, server = tenant.kind, fleet.by_name[tenant.server]
    if not tenant.may_have(tenant.tier):
        reason = f"The plan {tenant.plan} does not allow the tier {tenant.tier}."
        return Wish(tenant, Rule.TIER_NOT_IN_PLAN, reason, tenant.movable_tiers)
    if server.record.is_draining:
        reason = f"The server {server.name} is draining."
        return Wish(tenant, Rule.SERVER_DRAINING, reason, [tenant.tier], leaves_server=True)
    if kind.shares_tables and (tenant.stored_bytes or 0) >= limits.large_bytes.value:
        reason = (
            f"It stores some {format_bytes(tenant.stored_bytes)} in tables that it shares. From"
            f" {format_bytes(limits.large_bytes.value)} on, a tenant should have its own."
        )
        tiers = [tier for tier in tenant.movable_tiers if not TIERS[tier].shares_tables]
        return Wish(tenant, Rule.LARGE_FOR_SHARED_TABLES, reason, tiers)
    if kind.shares_database and (tenant.peak_load or 0) >= limits.busy_connections.value:
        reason = (
            f"In its busiest hour of the last {limits.window_days.value:g} days it kept"
            f" {tenant.peak_load:.2f} connections of a shared database busy. From"
            f" {limits.busy_connections.value:g} on, a tenant should have its own database."
        )
        tiers = [tier for tier in tenant.movable_tiers if not TIERS[tier].shares_database]
        return Wish(tenant, Rule.BUSY_FOR_SHARED_DATABASE, reason, tiers)
    if _is_rarely_used(tenant, server, limits):
        reason = (
            f"It stores {format_bytes(tenant.stored_bytes)} and kept at most"
            f" {tenant.peak_load or 0:.3f} connections busy. {server.name} has"
            f" {server.own_databases} databases of single tenants, more than the"
            f" {server.kept_connections} connections that a process keeps. The plan {tenant.plan}"
            f" prefers {tenant.plan_tiers[0]}."
        )
        return Wish(tenant, Rule.RARELY_USED, reason, [tenant.plan_tiers[0]])
    return None


def _is_rarely_used(tenant: TenantFacts, server: ServerFacts, limits: Thresholds) -> bool:
    """Return whether a tenant may give up a database of its own.

    Walls between tenants are weaker then, so the plan has to name the tier of its new tenants.
    """
    return (
        not tenant.kind.shares_database
        and bool(tenant.plan_tiers)
        and TIERS[tenant.plan_tiers[0]].shares_database
        and server.own_databases > server.kept_connections
        and tenant.counted_days >= limits.window_days.value
        and tenant.stored_bytes is not None
        and tenant.stored_bytes <= limits.small_bytes.value
        and tenant.peak_load is not None
        and tenant.peak_load <= limits.rare_connections.value
    )


def _wishes_at(fleet: Fleet, server: ServerFacts, limits: Thresholds) -> Iterator[Wish]:
    """Yield which tenants should leave a crowded server, those that relieve it most first."""
    reason = _crowd_at(server, limits)
    if reason is None or server.record.is_draining:
        return
    crowded = {name for name, share in server.shares.items() if share >= limit_of(name, limits)}
    tenants = [each for each in fleet.movable if each.server == server.name]
    for tenant in _most_relieving(tenants, crowded):
        yield Wish(tenant, Rule.SERVER_CROWDED, reason, [tenant.tier], leaves_server=True)


def _most_relieving(tenants: Sequence[TenantFacts], crowded: set[str]) -> Sequence[TenantFacts]:
    """Return the tenants that would relieve a server; if it has too many, the smallest first."""
    if "connections" in crowded:
        helping = [each for each in tenants if each.connections and not each.kind.shares_database]
        return sorted(helping, key=lambda each: (-(each.connections or 0), each.slug))
    known = [each for each in tenants if each.stored_bytes is not None]
    sign = -1 if "disk" in crowded else 1
    return sorted(known, key=lambda each: (sign * (each.stored_bytes or 0), each.slug))


def _crowd_at(server: ServerFacts, limits: Thresholds) -> str | None:
    """Return what a server has hardly any of, as a sentence; None if it has room."""
    used = [
        f"{format_share(share)} of its {name}"
        for name, share in server.shares.items()
        if share >= limit_of(name, limits)
    ]
    return f"The server {server.name} uses {' and '.join(used)}." if used else None


def _remedy(wish: Wish) -> str:
    tenant = wish.tenant
    if not wish.tiers:
        return (
            f"The plan {tenant.plan} allows {', '.join(tenant.plan_tiers)} only. Give it another"
            f" plan: `flask tenants set {tenant.slug} --plan …`."
        )
    region = f" in its region {tenant.region}" if tenant.region else ""
    return (
        f"No server{region} has room for it in {', '.join(wish.tiers)}. Add one:"
        " `flask servers add`."
    )


def _nearly_used(tenant: TenantFacts, limits: Thresholds) -> Iterator[Unplaced]:
    for name, quota in tenant.quotas.items():
        if quota.most and quota.used / quota.most >= limits.full_share.value:
            reason = f"It used {quota.used:,} of {quota.most:,} {name} on its last counted day."
            remedy = (
                "Give it another plan, or an exception:"
                f" `flask tenants set {tenant.slug} --plan …`."
            )
            yield Unplaced(tenant.slug, Rule.QUOTA_NEARLY_USED, reason, remedy)
