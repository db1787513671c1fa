"""Read the tenants and servers of the catalog, with what they use and what servers tell."""

import datetime as dt
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trially.advice.counted_usage import CountedUsage, read_usage
from trially.advice.fleet import Fleet, ServerFacts, TenantFacts
from trially.advice.measuring import Measured, measure_servers
from trially.advice.rules import THRESHOLDS, Thresholds
from trially.config import current_settings
from trially.database.connection_shares import connections_of_process
from trially.state import app_state
from trially.tenancy.catalog import Operation, PlacementRecord, Server, Tenant
from trially.tenancy.catalog_choices import UNCLAIMED, UNSERVED, Tier
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.entitlements.model import Plan
from trially.tenancy.lifecycle.operations import UNFINISHED
from trially.tenancy.pinning import is_served
from trially.tenancy.tiers import TIERS
from trially.terminal import plural

SHOWN_SLUGS = 5


def read_fleet(disks: Mapping[str, int], limits: Thresholds = THRESHOLDS) -> Fleet:
    """Return all tenants and servers. Servers are asked; those that do not answer are told.

    `disks` are the sizes of servers' disks in bytes, as far as the operator tells them.
    """
    since = dt.datetime.now(dt.UTC) - dt.timedelta(days=limits.window_days.value)
    with Session(control_engine(), expire_on_commit=False) as session:
        servers = session.scalars(select(Server).order_by(Server.name)).all()
        tenants = session.scalars(
            select(Tenant).where(is_served(), Tenant.status.not_in(UNSERVED)).order_by(Tenant.slug)
        ).all()
        plans = {plan.name: plan for plan in session.scalars(select(Plan))}
        stays = dict(_reasons_to_stay(session, tenants))
        counts = _count(session)
        used = read_usage(session, since)
        session.expunge_all()
    placements: dict[str, list[PlacementRecord]] = {server.name: [] for server in servers}
    for tenant in tenants:
        placements[tenant.placement.server.name].append(tenant.placement)
    measured = measure_servers(placements)
    facts = [
        _facts_of(
            tenant,
            plans[tenant.plan],
            stays.get(tenant.id),
            used[tenant.id],
            measured[tenant.placement.server.name],
        )
        for tenant in tenants
    ]
    settings = current_settings()
    of_process = max(1, math.ceil(settings.threads * settings.tenant_thread_share))
    return Fleet(
        facts,
        [_server_facts(each, counts[each.id], measured[each.name], disks) for each in servers],
        missing=[
            *_missing_usage(facts, limits),
            *(sentence for each in measured.values() for sentence in each.missing),
        ],
        most_of_tenant=min(settings.processes * of_process, settings.connections_per_tenant),
    )


def _reasons_to_stay(session: Session, tenants: Sequence[Tenant]) -> Iterator[tuple[UUID, str]]:
    """Yield the tenants that no advice may move, with the reason as a clause.

    The check of a move finds other reasons.
    """
    record, now = PlacementRecord, dt.datetime.now(dt.UTC)
    kept = set(session.scalars(select(record.tenant_id).where(record.kept_until > now)))
    unfinished = set(
        session.scalars(select(Operation.tenant_id).where(Operation.state.in_(UNFINISHED)))
    )
    for tenant in tenants:
        if tenant.legal_hold is not None:
            yield tenant.id, "a legal hold is on it"
        elif tenant.erase_after is not None:
            yield tenant.id, "its erasure is ordered"
        elif tenant.id in unfinished:
            yield tenant.id, "an operation is unfinished"
        elif tenant.id in kept:
            yield tenant.id, "its last placement is kept, so that it can move back"


def _count(session: Session) -> Mapping[UUID, Counter[Tier]]:
    """Return how many customers' tenants each server has, by their tier."""
    rows = session.execute(
        select(PlacementRecord.server_id, PlacementRecord.tier, func.count())
        .join(Tenant, Tenant.id == PlacementRecord.tenant_id)
        .where(PlacementRecord.is_active, Tenant.status.not_in(UNCLAIMED))
        .group_by(PlacementRecord.server_id, PlacementRecord.tier)
    )
    counts: dict[UUID, Counter[Tier]] = defaultdict(Counter)
    for server_id, tier, number in rows:
        counts[server_id][Tier(tier)] = number
    return counts


def _facts_of(
    tenant: Tenant, plan: Plan, stays: str | None, used: CountedUsage, measured: Measured
) -> TenantFacts:
    placement, tenant_id = tenant.placement, str(tenant.id)
    return TenantFacts(
        id=tenant.id,
        slug=tenant.slug,
        plan=tenant.plan,
        plan_tiers=_tiers_of(plan),
        region=tenant.region,
        tier=Tier(placement.tier),
        server=placement.server.name,
        stays=stays,
        stored_bytes=measured.bytes_of.get(tenant_id),
        load=used.load,
        peak_load=used.highest_load,
        connections=measured.connections_of.get(tenant_id),
        counted_days=len(used.database_ms),
        quotas=used.quotas,
    )


def _tiers_of(plan: Plan) -> Sequence[Tier]:
    """Return the tiers that a plan names, the one of its new tenants first."""
    preferred = app_state().plan_tiers.get(plan.name)
    return sorted((Tier(tier) for tier in plan.tiers), key=lambda tier: tier != preferred)


def _server_facts(
    server: Server, tenants: Counter[Tier], measured: Measured, disks: Mapping[str, int]
) -> ServerFacts:
    return ServerFacts(
        server,
        tenants.total(),
        sum(number for tier, number in tenants.items() if not TIERS[tier].shares_database),
        measured.is_reachable,
        measured.stored_bytes,
        disks.get(server.name),
        measured.connections,
        measured.most_connections,
        connections_of_process(measured.most_connections),
    )


def _missing_usage(tenants: Sequence[TenantFacts], limits: Thresholds) -> Iterator[str]:
    uncounted = [each.slug for each in tenants if not each.counted_days]
    if uncounted:
        named = ", ".join(uncounted[:SHOWN_SLUGS])
        more = "" if len(uncounted) <= SHOWN_SLUGS else f" and {len(uncounted) - SHOWN_SLUGS} more"
        yield (
            f"No day of the last {limits.window_days.value:g} is counted of"
            f" {plural(len(uncounted), 'tenant')}, so their load is not known: {named}{more}."
            " `flask usage count` counts the days that have ended."
        )
