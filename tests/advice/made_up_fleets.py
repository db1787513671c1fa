"""Fleets of made-up tenants and servers, and checks of moves that need no database."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from trially.advice.candidates import Candidate
from trially.advice.checking import Checked
from trially.advice.fleet import Fleet, ServerFacts, TenantFacts
from trially.tenancy.catalog import Server
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle.moving.blockers import Blocker
from trially.tenancy.lifecycle.moving.estimating import Estimate, TableSize

GIB = 2**30
DEDICATED, SCHEMA, POOLED = Tier.DEDICATED_DATABASE, Tier.OWN_SCHEMA, Tier.POOLED_ROWS


def server(name: str = "one", tenants: int = 0, **values: Any) -> ServerFacts:
    """Return a server with much room, unless the values say something else."""
    of_record = {
        key: values.pop(key)
        for key in ("region", "capacity", "tiers", "is_draining")
        if key in values
    }
    record = Server(name=name, **{"tiers": [], "is_draining": False, **of_record})
    known = {"stored_bytes": 0, "connections": 10, "most_connections": 100}
    return ServerFacts(record, tenants, **{**known, **values})


def tenant(number: int = 1, **values: Any) -> TenantFacts:
    """Return a tenant of the server `one` with a plan that allows everything."""
    chosen: dict[str, Any] = {
        "slug": f"tenant-{number}",
        "plan": "standard",
        "plan_tiers": (),
        "region": None,
        "tier": DEDICATED,
        "server": "one",
        "stored_bytes": 0,
        "load": 0.0,
        "peak_load": 0.0,
        "connections": 0,
        "counted_days": 7,
        **values,
    }
    return TenantFacts(UUID(int=number), **chosen)


def fleet(
    tenants: Sequence[TenantFacts], servers: Sequence[ServerFacts] = (), **values: Any
) -> Fleet:
    return Fleet(list(tenants), list(servers or [server()]), **values)


class Checks:
    """Checks of moves. Those into `refusing` servers are refused."""

    def __init__(self, *refusing: str) -> None:
        self._refusing = refusing
        self.checked: list[Candidate] = []

    def __call__(self, candidate: Candidate) -> Checked:
        self.checked.append(candidate)
        if candidate.server in self._refusing:
            return Checked([Blocker("wal_level", "wal_level is replica.", "Set it to logical.")])
        return Checked([], Estimate([TableSize("patient", 320_000, 1000)], 10.0, 0.05))
