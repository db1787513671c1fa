"""What the sweep of one database found: counts by path and wall, and the attempts that failed."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from trially.proving.attempts import Attempt, Outcome, Party

MOST_ATTEMPTS_PER_TENANT = 10
"""The most attempts of one outcome on one tenant that a sweep reports one by one."""

PREFIX = "sweep: "
"""How the paths of sweeps begin. Other attacks have paths of the same names."""


@dataclass
class Sweep:
    """The sweep of one database."""

    run_id: UUID
    server: str
    database: str
    victims: tuple[Party, ...]
    tables: set[str] = field(default_factory=set)
    """The qualified names of the tables and views that were attacked."""

    pairs: int = 0
    """The number of pairs of an attacker and a victim, each with every table."""

    held: Counter[tuple[str, str]] = field(default_factory=Counter)
    """The number of attempts that a wall stopped, by path and wall."""

    failed: Counter[tuple[str, Outcome]] = field(default_factory=Counter)
    """The number of attempts that succeeded or proved nothing, by path."""

    attempts: list[Attempt] = field(default_factory=list)
    """The failed attempts: the first of each tenant, path and table."""

    suspects: set[str] = field(default_factory=set)
    """Tables in which a hole was found, or a statement ran too long. From then on only canary rows
    are looked up there, by their keys, because other statements may read whole tables."""

    seconds: float = 0.0
    _seen: set[tuple[str, str, str]] = field(default_factory=set)
    _reported: Counter[tuple[str, Outcome]] = field(default_factory=Counter)

    def hold(self, path: str, wall: str, count: int = 1) -> None:
        """Count attempts that a wall stopped."""
        if count:
            self.held[PREFIX + path, wall] += count

    def breach(
        self, victim: str, attacker: Party | None, path: str, what: str, remedy: str
    ) -> None:
        """Record an attempt that succeeded."""
        self._record(victim, attacker, path, Outcome.BREACHED, what, remedy)

    def doubt(self, victim: str, attacker: Party | None, path: str, reason: str) -> None:
        """Record an attempt that proves nothing."""
        remedy = "Fix the cause, and run `flask tenants prove` again."
        self._record(victim, attacker, path, Outcome.INCONCLUSIVE, reason, remedy)

    def doubt_all(self, reason: str) -> None:
        """Record that nothing is proven of any tenant of the database."""
        for victim in self.victims:
            self.doubt(victim.slug, None, "stopped", reason)

    def as_item(self) -> dict[str, Any]:
        """Return the sweep for the report."""
        paths: dict[str, dict[str, Any]] = {}
        for (path, wall), count in sorted(self.held.items()):
            paths.setdefault(path, {"held": 0, "walls": {}})
            paths[path]["held"] += count
            paths[path]["walls"][wall] = count
        for (path, outcome), count in sorted(self.failed.items()):
            paths.setdefault(path, {"held": 0, "walls": {}})[outcome.value] = count
        return {
            "server": self.server,
            "database": self.database,
            "tenants": len(self.victims),
            "tables": sorted(self.tables),
            "pairs": self.pairs,
            "seconds": round(self.seconds, 2),
            "paths": paths,
        }

    def _record(
        self,
        victim: str,
        attacker: Party | None,
        path: str,
        outcome: Outcome,
        what: str,
        remedy: str,
    ) -> None:
        path = PREFIX + path
        self.failed[path, outcome] += 1
        key = (victim, path, what)
        if key in self._seen or self._reported[victim, outcome] >= MOST_ATTEMPTS_PER_TENANT:
            return
        self._seen.add(key)
        self._reported[victim, outcome] += 1
        name = attacker.slug if attacker else None
        self.attempts.append(Attempt(victim, name, path, outcome, what, remedy))
