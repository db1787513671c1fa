"""All attacks by one tenant on another, with the wall that is expected to hold in each tier."""

from collections.abc import Mapping

from injected_attacks import INJECTED_TO_CHANGE_WALLS, INJECTED_TO_READ, INJECTED_TO_WRITE
from injected_interference import INJECTED_TO_DISRUPT, INJECTED_TO_LEARN
from walls import HIDDEN, Attack, Wall, by_tier, everywhere

OVER_HTTP = (
    Attack("names another tenant in a header", everywhere(Wall.TOKEN)),
    Attack("sends a token for a tenant without being its member", everywhere(Wall.MEMBERSHIP)),
    Attack("tries slugs without a token", everywhere(Wall.TOKEN)),
    Attack("requests another tenant's resources from every route", everywhere(Wall.FILTER)),
    Attack("sends another tenant's id in a body or query", everywhere(Wall.CONTRACT)),
    Attack("replays another tenant's cursor", everywhere(Wall.ENCRYPTION)),
    Attack("uses another tenant's Idempotency-Key", everywhere(Wall.KEY)),
    Attack("uploads a file that another tenant has uploaded", everywhere(Wall.FILTER)),
    Attack("is a member of two tenants with different roles", everywhere(Wall.MEMBERSHIP)),
    Attack("looks for names in error responses", everywhere(Wall.OPAQUE)),
)

SLIPS = (
    Attack("runs SQL without a tenant", everywhere(Wall.CONTEXT)),
    Attack("runs SQL in a new thread", everywhere(Wall.CONTEXT)),
    Attack("uses a session in another tenant's context", everywhere(Wall.SESSION)),
    Attack("uses an object in another tenant's context", everywhere(Wall.SESSION)),
    Attack("uses a connection in another tenant's context", everywhere(Wall.SESSION)),
    Attack("passes a session to a thread that serves another tenant", everywhere(Wall.SESSION)),
    Attack("continues a streamed body in another tenant's context", everywhere(Wall.SESSION)),
    Attack("continues a cursor in another tenant's context", everywhere(Wall.SESSION)),
    Attack(
        "serves two tenants alternately in one thread", everywhere(Wall.OPENING), is_pooled=True
    ),
    Attack("serves two tenants concurrently", everywhere(Wall.OPENING), is_pooled=True),
    Attack("leaves state on a connection", everywhere(Wall.CLEANING), is_pooled=True),
    Attack("uses a stale placement", everywhere(Wall.GUARD), is_pooled=True),
    Attack("serves a suspended tenant", everywhere(Wall.GUARD), is_pooled=True),
    Attack("caches a member of another tenant", everywhere(Wall.KEY)),
)

ONE_WALL_GONE = (
    Attack("the application's filter", HIDDEN, is_pooled=True),
    Attack("the policy", HIDDEN),
    Attack("row security and CHECK, with another tenant's row inserted", everywhere(Wall.FILTER)),
    Attack("the setting: none, empty, or not an id", HIDDEN),
)

WITH_A_PASSWORD = (
    Attack("logs in to every other database", everywhere(Wall.CONNECT), is_pooled=True),
    Attack(
        "logs in as one tenant and reads another tenant's rows",
        by_tier(Wall.CONNECT, Wall.LIMIT, Wall.LIMIT),
        is_pooled=True,
        limit="All tenants of a shared database have one login role.",
    ),
    Attack("logs in to a database that is being created", by_tier(Wall.CONNECT, None, None)),
)

GROUPS: Mapping[str, tuple[Attack, ...]] = {
    "Over HTTP": OVER_HTTP,
    "The application makes a mistake": SLIPS,
    "A wall is missing": ONE_WALL_GONE,
    "SQL is injected, to read": INJECTED_TO_READ,
    "SQL is injected, to write": INJECTED_TO_WRITE,
    "SQL is injected, to change the walls": INJECTED_TO_CHANGE_WALLS,
    "SQL is injected, to learn about others": INJECTED_TO_LEARN,
    "SQL is injected, to disrupt others": INJECTED_TO_DISRUPT,
    "A login role's password is stolen": WITH_A_PASSWORD,
}

ATTACKS: Mapping[str, Attack] = {
    attack.name: attack for attacks in GROUPS.values() for attack in attacks
}

INJECTED = [attack for attack in ATTACKS.values() if attack.sql]
