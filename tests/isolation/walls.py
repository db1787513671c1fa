"""The walls between tenants, by the names that docs/isolation.md has for them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pytest
from psycopg2 import errors

from trially.database.placement import (
    NoTenantError,
    StalePlacementError,
    TenantSuspendedError,
    WrongTenantError,
)
from trially.tenancy.catalog import Tier

DIRECT = "direct"
POOLER = "pooler"
WAYS = (DIRECT, POOLER)


class Wall(StrEnum):
    """What kept an attacker out."""

    TOKEN = "token"
    MEMBERSHIP = "membership"
    CONTRACT = "contract"
    SIGNATURE = "signature"
    FILTER = "application's filter"
    CONTEXT = "tenant context"
    SESSION = "session guard"
    OPENING = "opening"
    GUARD = "guard"
    CLEANING = "cleaning"
    RESET = "pooler's reset"
    CONNECT = "CONNECT"
    LOGIN = "login role"
    ROLE = "role"
    USAGE = "USAGE"
    PRIVILEGES = "privileges"
    OWN_DATABASE = "own database"
    OWN_SCHEMA = "own schema"
    POLICY = "policy"
    CHECK = "CHECK"
    KEY = "key"
    OPAQUE = "opaque names"
    ABSENT = "not there"
    LIMIT = "limit"


MEANINGS: Mapping[Wall, str] = {
    Wall.TOKEN: "the verified token says which tenant, and nothing else does",
    Wall.MEMBERSHIP: "only the tenant's own table says who is a member, and the refusals are alike",
    Wall.CONTRACT: "what a route does not take is refused",
    Wall.SIGNATURE: "a cursor is signed for one tenant, one list, one filter",
    Wall.FILTER: "each statement of the application names its tenant",
    Wall.CONTEXT: "without a tenant's context there is no engine to ask",
    Wall.SESSION: "sessions, objects, connections and transactions stay with their tenant",
    Wall.OPENING: "each transaction begins by saying whose it is, for itself alone",
    Wall.GUARD: "`trially.enter` refuses a placement that is stale or suspended",
    Wall.CLEANING: "what ends a transaction puts the session back, in the same message",
    Wall.RESET: "the pooler's `server_reset_query` puts it back, where the transaction was ended "
    "by whoever injected SQL",
    Wall.CONNECT: "the login role may not connect to that database",
    Wall.LOGIN: "it is a login role of this tenant alone that is concerned",
    Wall.ROLE: "the role is no member of the other one",
    Wall.USAGE: "the role may not use that schema",
    Wall.PRIVILEGES: "the role owns nothing, is nobody special, and may do four things to rows",
    Wall.OWN_DATABASE: "there is no one else in this database",
    Wall.OWN_SCHEMA: "there is no one else in this schema",
    Wall.POLICY: "row security shows and takes the current tenant's rows only",
    Wall.CHECK: "each table is held to one tenant's id",
    Wall.KEY: "keys, unique indexes and foreign keys begin with `tenant_id`",
    Wall.OPAQUE: "names of databases, schemas and roles say nothing",
    Wall.ABSENT: "there is no such thing",
    Wall.LIMIT: "**the attack succeeds**: see below what that means",
}

Walls = Mapping[Tier, Wall | None]


def everywhere(wall: Wall) -> Walls:
    """Say that one wall holds in each tier."""
    return dict.fromkeys(Tier, wall)


def by_tier(dedicated_database: Wall, own_schema: Wall | None, pooled_rows: Wall | None) -> Walls:
    """Say which wall holds in which tier; None where the attack has no meaning."""
    return {
        Tier.DEDICATED_DATABASE: dedicated_database,
        Tier.OWN_SCHEMA: own_schema,
        Tier.POOLED_ROWS: pooled_rows,
    }


HIDDEN = by_tier(Wall.OWN_DATABASE, Wall.OWN_SCHEMA, Wall.POLICY)
"""Whatever is read or written by a table's bare name."""

FOREIGN = by_tier(Wall.OWN_DATABASE, Wall.USAGE, Wall.POLICY)
"""Whatever is read by the name of the other's schema."""

REFUSED = by_tier(Wall.CHECK, Wall.CHECK, Wall.POLICY)
"""A row that is said to be the other's."""


@dataclass(frozen=True)
class Attack:
    """One thing that an attacker does, and what is expected to keep them out in each tier."""

    name: str
    walls: Walls
    sql: str = ""
    """What is injected; its last value is true if it came through."""

    hides: Wall | None = None
    """What holds if the value is false, unless it is where the other's rows are."""

    limit: str = ""
    """What it means where it succeeds, and what to do about it."""

    is_pooled: bool = False
    """Whether it is tried through a pooler too, as all SQL is."""

    behind_pooler: Wall | None = None
    """What holds there, if it is another wall."""

    @property
    def ways(self) -> tuple[str, ...]:
        """How the database is reached when it is tried."""
        return WAYS if self.sql or self.is_pooled else (DIRECT,)

    def wall_in(self, tier: Tier, way: str = DIRECT) -> Wall | None:
        """Return the wall that is expected to hold, None if there is nothing to attack."""
        if tier not in self.walls:
            pytest.fail(f"attacks.py does not say what holds in {tier}: {self.name}")
        return (way == POOLER and self.behind_pooler) or self.walls[tier]


_MESSAGES = (
    (r"row-level security policy", Wall.POLICY),
    (r"ck_this_tenant", Wall.CHECK),
    (r"violates foreign key constraint", Wall.KEY),
    (r"not have CONNECT privilege", Wall.CONNECT),
    (r"permission denied to set (role|session authorization)", Wall.ROLE),
    (r"permission denied|must be owner|Only roles with|must be superuser", Wall.PRIVILEGES),
)
_KINDS: tuple[tuple[type[Exception], Wall], ...] = (
    (NoTenantError, Wall.CONTEXT),
    (WrongTenantError, Wall.SESSION),
    (StalePlacementError, Wall.GUARD),
    (TenantSuspendedError, Wall.GUARD),
    (errors.UndefinedFunction, Wall.ABSENT),
    # A schema that may not be used is passed over in search_path.
    (errors.UndefinedTable, Wall.USAGE),
)


def wall_of_error(error: Exception, their_schema: str = "") -> Wall:
    """Tell which wall an error comes from; one that is none of theirs is raised."""
    cause: Any = getattr(error, "orig", None) or error
    if f"permission denied for schema {their_schema}" in str(cause) and their_schema != "tenant":
        return Wall.USAGE
    for kind, wall in _KINDS:
        if isinstance(cause, kind):
            return wall
    for pattern, wall in _MESSAGES:
        if re.search(pattern, str(cause)):
            return wall
    raise error
