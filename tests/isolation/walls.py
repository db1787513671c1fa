"""The walls between tenants, with the names that docs/isolation.md uses for them."""

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
from trially.tenancy.catalog_choices import Tier

DIRECT = "direct"
POOLER = "pooler"
WAYS = (DIRECT, POOLER)


class Wall(StrEnum):
    """A mechanism that can stop an attack."""

    TOKEN = "token"
    MEMBERSHIP = "membership"
    CONTRACT = "contract"
    ENCRYPTION = "encryption"
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
    ABSENT = "does not exist"
    LIMIT = "limit"


MEANINGS: Mapping[Wall, str] = {
    Wall.TOKEN: "only the verified token names the tenant",
    Wall.MEMBERSHIP: "only the tenant's own member table names its members, and all refusals are "
    "equal",
    Wall.CONTRACT: "a route rejects parameters and fields that it does not declare",
    Wall.ENCRYPTION: "a cursor is encrypted for one tenant, one list and one filter",
    Wall.FILTER: "each statement of the application names its tenant",
    Wall.CONTEXT: "without a tenant's context there is no engine",
    Wall.SESSION: "a session, object, connection or transaction works for its own tenant only",
    Wall.OPENING: "each transaction first sets its tenant, for itself alone",
    Wall.GUARD: "`trially.enter` rejects a placement that is stale or suspended",
    Wall.CLEANING: "the message that ends a transaction also resets the session",
    Wall.RESET: "the pooler's `server_reset_query` resets the session if injected SQL ended the "
    "transaction",
    Wall.CONNECT: "the login role may not connect to that database",
    Wall.LOGIN: "the login role is used by this tenant alone",
    Wall.ROLE: "the role is not a member of the other role",
    Wall.USAGE: "the role may not use that schema",
    Wall.PRIVILEGES: "the role owns nothing, has no special attribute, and may only select, "
    "insert, update and delete rows",
    Wall.OWN_DATABASE: "no other tenant is in this database",
    Wall.OWN_SCHEMA: "no other tenant is in this schema",
    Wall.POLICY: "row security shows and accepts the current tenant's rows only",
    Wall.CHECK: "each table accepts one tenant's id only",
    Wall.KEY: "primary keys, unique keys, foreign keys and cache keys begin with the tenant's id",
    Wall.OPAQUE: "names of databases, schemas and roles contain no tenant's name",
    Wall.ABSENT: "the object of the attack does not exist",
    Wall.LIMIT: "**the attack succeeds**: see [the limits](#the-limits)",
}

Walls = Mapping[Tier, Wall | None]


def everywhere(wall: Wall) -> Walls:
    """Expect one wall in all tiers."""
    return dict.fromkeys(Tier, wall)


def by_tier(dedicated_database: Wall, own_schema: Wall | None, pooled_rows: Wall | None) -> Walls:
    """Expect one wall per tier; None where the attack is not possible."""
    return {
        Tier.DEDICATED_DATABASE: dedicated_database,
        Tier.OWN_SCHEMA: own_schema,
        Tier.POOLED_ROWS: pooled_rows,
    }


HIDDEN = by_tier(Wall.OWN_DATABASE, Wall.OWN_SCHEMA, Wall.POLICY)
"""The walls around rows that are named by their table only."""

FOREIGN = by_tier(Wall.OWN_DATABASE, Wall.USAGE, Wall.POLICY)
"""The walls around rows that are named by the other tenant's schema."""

REFUSED = by_tier(Wall.CHECK, Wall.CHECK, Wall.POLICY)
"""The walls against a row with the other tenant's id."""


@dataclass(frozen=True)
class Attack:
    """One act of an attacker, with the wall that is expected to stop it in each tier."""

    name: str
    walls: Walls
    sql: str = ""
    """The injected SQL; its last value is true if the attack succeeds."""

    hides: Wall | None = None
    """The wall that holds if the value is false. None means the wall around the rows."""

    limit: str = ""
    """The consequence where the attack succeeds, and the remedy."""

    is_pooled: bool = False
    """Whether the attack is also made through a pooler, as all injected SQL is."""

    behind_pooler: Wall | None = None
    """The wall that holds behind a pooler, if it is another one."""

    @property
    def ways(self) -> tuple[str, ...]:
        """The ways to the database on which the attack is made."""
        return WAYS if self.sql or self.is_pooled else (DIRECT,)

    def wall_in(self, tier: Tier, way: str = DIRECT) -> Wall | None:
        """Return the wall that is expected to hold, or None if the attack is not possible."""
        if tier not in self.walls:
            pytest.fail(f"attacks.py has no wall for the tier {tier} and the attack: {self.name}")
        return (way == POOLER and self.behind_pooler) or self.walls[tier]


_MESSAGES = (
    (r"row-level security policy", Wall.POLICY),
    (r"ck_this_tenant", Wall.CHECK),
    (r"violates foreign key constraint", Wall.KEY),
    (r"not have CONNECT privilege", Wall.CONNECT),
    (r"permission denied to set (role|session authorization)", Wall.ROLE),
    (
        r"permission denied|must be owner|Only roles with|must be superuser|must have admin option",
        Wall.PRIVILEGES,
    ),
)
_KINDS: tuple[tuple[type[Exception], Wall], ...] = (
    (NoTenantError, Wall.CONTEXT),
    (WrongTenantError, Wall.SESSION),
    (StalePlacementError, Wall.GUARD),
    (TenantSuspendedError, Wall.GUARD),
    (errors.UndefinedFunction, Wall.ABSENT),
    # PostgreSQL skips a schema of the search_path that the role may not use.
    (errors.UndefinedTable, Wall.USAGE),
)


def wall_of_error(error: Exception, their_schema: str = "") -> Wall:
    """Return the wall that raised an error; raise the error if it comes from no wall."""
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
