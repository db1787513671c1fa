"""The next move that evens out servers: by what they store, by load, and by connections."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from trially.advice.candidates import Candidate, Place, has_room
from trially.advice.fleet import Fleet, ServerFacts, TenantFacts
from trially.advice.rules import THRESHOLDS, Rule, Threshold, Thresholds
from trially.terminal.quantities import format_bytes


class Measure(StrEnum):
    """By what servers are compared."""

    SIZE = "size"
    LOAD = "load"
    CONNECTIONS = "connections"


@dataclass(frozen=True)
class _Kind:
    """How a measure is read of a tenant, and from which total on it is compared."""

    of_tenant: Callable[[TenantFacts], float | None]
    least: Callable[[Thresholds], Threshold]
    text: Callable[[float], str]


def _own_connections(tenant: TenantFacts) -> float | None:
    return 0 if tenant.kind.shares_database else tenant.connections


KINDS: Mapping[Measure, _Kind] = {
    Measure.SIZE: _Kind(
        lambda tenant: tenant.stored_bytes, lambda limits: limits.least_bytes, format_bytes
    ),
    Measure.LOAD: _Kind(
        lambda tenant: tenant.load,
        lambda limits: limits.least_load,
        lambda load: f"{load:.2f} busy connections",
    ),
    Measure.CONNECTIONS: _Kind(
        _own_connections,
        lambda limits: limits.least_connections,
        lambda number: f"{number:.0f} connections",
    ),
}


@dataclass(frozen=True)
class Comparison:
    """One measure of the servers of one region."""

    measure: Measure
    totals: Mapping[str, float]
    """What the tenants of each server have, by its name."""

    even: Mapping[str, float]
    """Its even share of the sum, by its name."""

    def of_even(self, server: str, change: float = 0.0) -> float:
        """Return how many times its even share a server has, after a change."""
        return (self.totals[server] + change) / self.even[server]

    def unevenness(self, changes: Mapping[str, float]) -> float:
        """Return by how much the squared distances from even grow with some changes."""
        return sum(
            (self.of_even(name, change) - 1) ** 2 - (self.of_even(name) - 1) ** 2
            for name, change in changes.items()
        )


def propose_even(
    fleet: Fleet,
    refused: Collection[Place],
    limits: Thresholds = THRESHOLDS,
    measures: Collection[Measure] = tuple(Measure),
) -> Candidate | None:
    """Return the move that evens out the servers most, or None if none is worth it.

    A tenant stays in its tier. One of which a compared measure is not known is not moved.
    """
    found = [
        each
        for comparisons in compare(fleet, limits, measures)
        for each in _moves(fleet, comparisons, refused, limits)
    ]
    if not found:
        return None
    _, _, _, candidate = min(found, key=lambda each: each[:3])
    return candidate


def compare(
    fleet: Fleet, limits: Thresholds = THRESHOLDS, measures: Collection[Measure] = tuple(Measure)
) -> Iterator[Sequence[Comparison]]:
    """Yield for the servers of each region what is compared.

    A measure is left out if it is known of no tenant, or is so little that no move is worth it.
    """
    for servers in _comparable(fleet):
        compared = (_compare(fleet, servers, measure, limits) for measure in measures)
        yield [each for each in compared if each is not None]


def left_out(
    fleet: Fleet, limits: Thresholds = THRESHOLDS, measures: Collection[Measure] = tuple(Measure)
) -> Iterator[str]:
    """Yield as sentences by what servers are not compared, and why."""
    for servers in _comparable(fleet):
        names = ", ".join(server.name for server in servers)
        for measure in measures:
            if _compare(fleet, servers, measure, limits) is None:
                least = KINDS[measure].text(KINDS[measure].least(limits).value)
                yield f"{names} are not compared by {measure}: less than {least} is known of it."


def _comparable(fleet: Fleet) -> Iterator[Sequence[ServerFacts]]:
    """Yield the servers of each region, if there are several that may take tenants."""
    regions = defaultdict(list)
    for server in fleet.servers:
        if server.is_reachable and not server.record.is_draining:
            regions[server.record.region].append(server)
    yield from (servers for servers in regions.values() if len(servers) > 1)


def _compare(
    fleet: Fleet, servers: Sequence[ServerFacts], measure: Measure, limits: Thresholds
) -> Comparison | None:
    kind = KINDS[measure]
    totals = dict.fromkeys((server.name for server in servers), 0.0)
    for tenant in fleet.tenants:
        if tenant.server in totals:
            totals[tenant.server] += kind.of_tenant(tenant) or 0.0
    total = sum(totals.values())
    if total < kind.least(limits).value or total == 0:
        return None
    weights = _weights(servers)
    return Comparison(measure, totals, {name: total * weight for name, weight in weights.items()})


def _weights(servers: Sequence[ServerFacts]) -> Mapping[str, float]:
    """Return the share of each server: by capacity if all have one, else the same for each."""
    capacities = [server.record.capacity for server in servers]
    known = [each for each in capacities if each is not None]
    sizes = known if len(known) == len(servers) else [1] * len(servers)
    return {server.name: size / sum(sizes) for server, size in zip(servers, sizes, strict=True)}


def _moves(
    fleet: Fleet, comparisons: Sequence[Comparison], refused: Collection[Place], limits: Thresholds
) -> Iterator[tuple[float, float, str, Candidate]]:
    """Yield moves that are worth it, with what they are sorted by: gain, size, slug."""
    for tenant in fleet.movable:
        uneven = [
            each
            for each in comparisons
            if tenant.server in each.totals
            and each.of_even(tenant.server) > limits.uneven_share.value
        ]
        if not uneven or not tenant.may_have(tenant.tier) or _is_large_in_tables(tenant, limits):
            continue
        values = [KINDS[each.measure].of_tenant(tenant) for each in comparisons]
        known = [each for each in values if each is not None]
        if len(known) < len(values):
            continue
        for name in comparisons[0].totals.keys() - {tenant.server}:
            changes = [{tenant.server: -value, name: value} for value in known]
            growth = sum(
                each.unevenness(change) for each, change in zip(comparisons, changes, strict=True)
            )
            if growth > -limits.least_gain.value or (tenant.id, tenant.tier, name) in refused:
                continue
            server = fleet.by_name[name]
            if fleet.accepts(server, tenant, tenant.tier) and has_room(
                fleet, tenant, tenant.tier, server, limits
            ):
                reason = _reason(tenant, name, uneven)
                candidate = Candidate(tenant, tenant.tier, name, Rule.UNEVEN_SERVERS, reason)
                yield growth, float(tenant.stored_bytes or 0), f"{tenant.slug} {name}", candidate


def _is_large_in_tables(tenant: TenantFacts, limits: Thresholds) -> bool:
    """Return whether a move into tables that tenants share might pause for long."""
    return tenant.kind.shares_tables and (
        tenant.stored_bytes is None or tenant.stored_bytes > limits.small_bytes.value
    )


def _reason(tenant: TenantFacts, target: str, uneven: Sequence[Comparison]) -> str:
    worst = max(uneven, key=lambda each: each.of_even(tenant.server))
    text = KINDS[worst.measure].text
    return (
        f"By {worst.measure}, {tenant.server} has {worst.of_even(tenant.server):.1f} times its even"
        f" share ({text(worst.totals[tenant.server])}), {target} has"
        f" {worst.of_even(target):.1f} times ({text(worst.totals[target])})."
    )
