"""In which order the places of a run are migrated."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from trially.errors import OperatorError
from trially.tenancy.migrating.places import Place

UNUSED, CANARY, REST = "blank schemas and ready tenants", "canary", "rest"

GROUPED_BY: dict[str, Callable[[Any], str | None]] = {
    "kind": lambda record: record.tenant.kind,
    "plan": lambda record: record.tenant.plan,
    "region": lambda record: record.tenant.region,
    "server": lambda record: record.server.name,
    "tier": lambda record: record.tier,
}
"""What `--group NAME=VALUE` may name, of a tenant's placement."""


class UnknownGroupError(OperatorError):
    """A group is not written as NAME=VALUE, or its name is unknown."""


class NotATenantError(OperatorError):
    """A slug is not that of a tenant that can be migrated."""


@dataclass(frozen=True)
class RunOptions:
    """What an operator asks of a run. The ledger keeps it, so that `--resume` goes on alike."""

    slugs: tuple[str, ...] = ()
    """The tenants to migrate. Empty means all."""

    canaries: tuple[str, ...] = ()
    """Slugs of the tenants to migrate first, or one number of them."""

    groups: tuple[str, ...] = ()
    wave_size: int | None = None
    workers: int = 4
    """The most places of one server that are migrated at a time."""

    rate: float = 50.0
    """The most places of one server that begin in a second."""

    stop_at: str = "10"
    """The number of failures, or a percentage of the places, that stops the run."""

    lock_timeout_ms: int = 2_000
    attempts: int = 5

    def failure_limit(self, places: int) -> int:
        """Return the number of failures that stops a run over so many places."""
        number = self.stop_at.removesuffix("%")
        if number == self.stop_at:
            return int(number)
        return max(1, -(-places * int(number) // 100))

    def as_json(self) -> dict[str, Any]:
        """Return the options for the ledger."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "RunOptions":
        """Return the options that the ledger keeps."""
        options = cls(**stored)
        return replace(
            options,
            slugs=tuple(options.slugs),
            canaries=tuple(options.canaries),
            groups=tuple(options.groups),
        )


@dataclass(frozen=True)
class Stage:
    """Places that are migrated before those of the next stage."""

    name: str
    places: Sequence[Place] = field(repr=False)
    stops_at_a_failure: bool = False


def plan_stages(places: Sequence[Place], options: RunOptions) -> list[Stage]:
    """Return the stages of a run: what no tenant has yet, canaries, the groups' waves, the rest's.

    Quarantined places are the last of their group, so that a known failure does not stop the run
    before the others were visited. Raises `UnknownGroupError` or `NotATenantError`.
    """
    unused = [place for place in places if place.is_unused]
    tenants = sorted(
        _chosen([place for place in places if not place.is_unused], options.slugs),
        key=lambda place: place.is_quarantined,
    )
    canaries = _canaries(tenants, options.canaries)
    stages = [
        Stage(UNUSED, [] if options.slugs else unused),
        Stage(CANARY, canaries, stops_at_a_failure=True),
    ]
    left = [place for place in tenants if place not in canaries]
    for group in options.groups:
        belongs = _membership(group)
        stages += _waves(group, [place for place in left if belongs(place)], options.wave_size)
        left = [place for place in left if not belongs(place)]
    stages += _waves(REST, left, options.wave_size)
    return [stage for stage in stages if stage.places]


def _chosen(places: Sequence[Place], slugs: Sequence[str]) -> list[Place]:
    """Return the places of the tenants with these slugs; without slugs, all."""
    if not slugs:
        return list(places)
    of_slug = {slug: place for place in places for slug in place.slugs}
    for slug in slugs:
        if slug not in of_slug:
            raise NotATenantError(
                f"There is no tenant {slug!r} to migrate. `flask tenants list` shows all."
            )
    return _unique(of_slug[slug] for slug in slugs)


def _canaries(places: Sequence[Place], canaries: Sequence[str]) -> list[Place]:
    """Return the places of the canaries that were named, or some of each tier in turn."""
    if not (len(canaries) == 1 and canaries[0].isdecimal()):
        return _chosen(places, canaries) if canaries else []
    by_tier: dict[str, list[Place]] = {}
    for place in places:
        if not place.is_quarantined:
            by_tier.setdefault(place.tier, []).append(place)
    longest = max(map(len, by_tier.values()), default=0)
    in_turn = [of[index] for index in range(longest) for of in by_tier.values() if index < len(of)]
    return in_turn[: int(canaries[0])]


def _membership(group: str) -> Callable[[Place], bool]:
    name, _, value = group.partition("=")
    if name not in GROUPED_BY or not value:
        raise UnknownGroupError(
            f"{group!r} is not a group. Write NAME=VALUE; NAME is one of {', '.join(GROUPED_BY)}."
        )
    return lambda place: any(GROUPED_BY[name](record) == value for record in place.records)


def _waves(name: str, places: Sequence[Place], size: int | None) -> list[Stage]:
    if size is None or len(places) <= size:
        return [Stage(name, places)]
    return [
        Stage(f"{name}, wave {number}", places[start : start + size])
        for number, start in enumerate(range(0, len(places), size), start=1)
    ]


def _unique(places: Iterable[Place]) -> list[Place]:
    return list({place.key: place for place in places}.values())
