"""Rehearse a run: migrate clones of the largest place and of one per tier, and tell how long."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2.extensions import connection

from trially.tenancy.migrating.attempts import Failure
from trially.tenancy.migrating.clones import cloned, drop_dead_clones, size_of
from trially.tenancy.migrating.owning import MigrationEngine
from trially.tenancy.migrating.places import Place, read_places
from trially.tenancy.migrating.planning import RunOptions, plan_stages
from trially.tenancy.migrating.visiting import visit
from trially.tenancy.schema.lineages import TENANT_LINEAGE, alembic_config
from trially.tenancy.schema.stepping import Steps, load_steps
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

_LOCKS = """
SELECT DISTINCT relname, mode FROM pg_locks JOIN pg_class ON pg_class.oid = relation
WHERE pid = pg_backend_pid() AND relnamespace = %s::regnamespace AND relkind = 'r'
AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
ORDER BY relname, mode
"""
"""Locks that keep requests from writing; AccessExclusiveLock keeps them from reading too."""


@dataclass(frozen=True)
class Rehearsed:
    """What migrating one clone took."""

    place: Place
    size: int
    copy_s: float
    migrate_s: float
    locks: Sequence[str]
    failure: Failure | None

    def as_item(self) -> dict[str, Any]:
        """Return the values that the command prints."""
        return {
            "place": self.place.name,
            "tier": self.place.tier,
            "server": self.place.server,
            "mb": round(self.size / 1_000_000, 1),
            "copied_s": round(self.copy_s, 2),
            "migrated_s": round(self.migrate_s, 2),
            "locks": list(self.locks),
            "error": self.failure and self.failure.reason,
        }


@dataclass(frozen=True)
class Rehearsal:
    """The clones of one rehearsal, and the estimate of the real run."""

    rehearsed: Sequence[Rehearsed]
    places: int
    """The number of places that a run would migrate."""

    estimate_s: float


def rehearse(options: RunOptions, *, to: str = "head") -> Rehearsal:
    """Migrate clones to a revision, and estimate the run. No tenant is changed."""
    steps = load_steps(alembic_config(TENANT_LINEAGE))
    target = steps.check(to)
    stages = plan_stages(read_places(), options)
    places = [
        place
        for stage in stages
        for place in stage.places
        if place.records and place.revision in steps.revisions and place.revision != target
    ]
    for server in {place.server for place in places}:
        with server_access(server).administer() as raw:
            drop_dead_clones(raw)
    sizes = {place.key: size_of(place) for place in places}
    chosen = _choose(places, sizes)
    rehearsed = [_rehearse(place, sizes[place.key], steps, target) for place in chosen]
    return Rehearsal(rehearsed, len(places), _estimate(places, sizes, rehearsed, options))


def _choose(places: Sequence[Place], sizes: dict[tuple[str, str, str], int]) -> list[Place]:
    """Return the largest place of each tier, among which is the largest of all."""
    largest: dict[str, Place] = {}
    for place in places:
        best = largest.get(place.tier)
        if best is None or sizes[place.key] > sizes[best.key]:
            largest[place.tier] = place
    return list(largest.values())


def _rehearse(place: Place, size: int, steps: Steps, target: str) -> Rehearsed:
    began = time.perf_counter()
    with cloned(place, str(place.revision)) as clone:
        copied = time.perf_counter()
        locks: list[str] = []
        failure = None
        engine = MigrationEngine(server_access(clone.server))

        def read_locks(raw: connection) -> None:
            rows = execute(raw, _LOCKS, clone.schema)
            locks.extend(f"{mode} on {table}" for table, mode in rows)

        try:
            with engine.as_owner(clone, 0) as owned:
                visit(clone, owned, steps, target, before_commit=read_locks)
        except Exception as error:  # noqa: BLE001  the clones after this one must be tried
            failure = Failure.of(error)
        took = time.perf_counter() - copied
    return Rehearsed(place, size, copied - began, took, list(dict.fromkeys(locks)), failure)


def _estimate(
    places: Sequence[Place],
    sizes: dict[tuple[str, str, str], int],
    rehearsed: Sequence[Rehearsed],
    options: RunOptions,
) -> float:
    """Return the seconds of the slowest server.

    Each place is taken to need what its tier's clone needed: in full up to its size.
    """
    by_tier = {each.place.tier: each for each in rehearsed}
    of_server: dict[str, float] = {}
    longest: dict[str, float] = {}
    for place in places:
        clone = by_tier[place.tier]
        seconds = clone.migrate_s * min(1.0, max(0.1, sizes[place.key] / max(clone.size, 1)))
        of_server[place.server] = of_server.get(place.server, 0.0) + seconds
        longest[place.server] = max(longest.get(place.server, 0.0), seconds)
    return max(
        (max(of_server[name] / options.workers, longest[name]) for name in of_server), default=0.0
    )
