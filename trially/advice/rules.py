"""The rules of the advice, and their thresholds with the source of each.

docs/placement-advice.md shows them to operators.
"""

from dataclasses import dataclass
from enum import StrEnum

GIBIBYTE = 2**30


class Rule(StrEnum):
    """Why a tenant should move, or needs another plan. The first that holds is told."""

    TIER_NOT_IN_PLAN = "tier_not_in_plan"
    """The tenant's plan does not allow its tier."""

    SERVER_DRAINING = "server_draining"
    """Its server is to be emptied."""

    LARGE_FOR_SHARED_TABLES = "large_for_shared_tables"
    """It stores more than tables that tenants share should have of one tenant."""

    BUSY_FOR_SHARED_DATABASE = "busy_for_shared_database"
    """It keeps a database that tenants share busy."""

    SERVER_CROWDED = "server_crowded"
    """Its server has hardly any connections, places for tenants or disk left."""

    RARELY_USED = "rarely_used"
    """It is small, rarely used, and has a database of its own on a server with too many of them."""

    UNEVEN_SERVERS = "uneven_servers"
    """Its server has more than its share, and another one less."""

    QUOTA_NEARLY_USED = "quota_nearly_used"
    """It has nearly used what its plan allows. A move does not help."""


@dataclass(frozen=True)
class Threshold:
    """A number at which a rule begins to hold."""

    value: float
    unit: str
    source: str
    """The measured figure, or the setting, that it follows from."""


@dataclass(frozen=True)
class Thresholds:
    """All thresholds."""

    window_days: Threshold = Threshold(
        7, "days", "Chosen: a week has each day of the week once. Usage of these days is read."
    )
    large_bytes: Threshold = Threshold(
        2 * GIBIBYTE,
        "bytes",
        "A copy on the same server writes 4 bytes of WAL for each byte of rows, and a move lets the"
        " source retain 8 GiB of WAL (`--max-wal`). So 2 GiB of rows are the most that moves with"
        " the default options.",
    )
    busy_connections: Threshold = Threshold(
        0.25,
        "connections",
        "Reading one patient waits for the database for 238 µs (docs/performance.md). A quarter of"
        " a connection is 1,050 such requests a second for an hour, more than one process serves.",
    )
    rare_connections: Threshold = Threshold(
        0.01,
        "connections",
        "Chosen: 42 requests a second of the kind of `busy_connections`, in the busiest hour.",
    )
    small_bytes: Threshold = Threshold(
        GIBIBYTE / 4,
        "bytes",
        "Half a million clinical facts (a million has 562 MB, docs/performance.md). Moves of a"
        " million into shared tables paused for 134 ms (p95), more than the bar of 100 ms"
        " (benchmarks/README.md, `move`).",
    )
    crowded_share: Threshold = Threshold(
        0.8,
        "share of connections or disk",
        "Chosen. A move needs a fifth free: the target takes the rows, and as much again for"
        " indexes and WAL.",
    )
    full_share: Threshold = Threshold(
        0.9,
        "share of capacity or quota",
        "Chosen: time for a move or a new plan before it is full.",
    )
    uneven_share: Threshold = Threshold(
        1.2,
        "times the server's even share",
        "Rates of the same benchmark differ by up to 16 % between runs on one machine"
        " (benchmarks/README.md, note 1). Less than 20 % is not worth a move.",
    )
    least_gain: Threshold = Threshold(
        0.01, "squared share", "Chosen: a move that brings a server a tenth nearer to even."
    )
    least_bytes: Threshold = Threshold(
        GIBIBYTE, "bytes", "Chosen. Servers that store less in all need no evening out by size."
    )
    least_load: Threshold = Threshold(
        0.25,
        "connections",
        "As `busy_connections`: below that, all servers together have no load worth moving.",
    )
    least_connections: Threshold = Threshold(
        20, "connections", "Chosen: a fifth of PostgreSQL's default of 100."
    )


THRESHOLDS = Thresholds()

EXPECTED_OVERHEAD_SECONDS = 6.0
"""Beside the copy, a move waits so long for processes to open connections (docs/runbooks/move.md).
"""

SECONDS_PER_COPY_SECOND = 1.3
"""Comparing and catching up, for each second of the copy.

A million facts were copied in 30 s and moved in 42, 46, 27 and 48; five million in 162 and 214
(benchmarks/README.md, `move`).
"""
