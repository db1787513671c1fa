"""Holes that are made by hand, each with a part of the finding that must name it."""

from dataclasses import dataclass

from trially.doctor.findings import Level

EACH_TIER = ("dedicated-one", "schema-one", "pooled-one")
POOLED = ("pooled-one",)
SCHEMAS = ("schema-one",)
SERVER = ("server",)
CATALOG = ("catalog",)


@dataclass(frozen=True)
class Hole:
    """A defect that is made by hand.

    In its texts, {schema}, {role}, {database} and {tenant_id} are the tenant's, {other_…} those of
    a second tenant of the tier, and {owner} is the owner of all tables.
    """

    made: str
    """The statement that makes the hole."""

    text: str
    """Part of the finding."""

    mended: str | None = None
    """The statement that mends the hole; None if the finding's remedy does."""

    at: tuple[str, ...] = EACH_TIER
    """The tenants in whose database it is made, "server" or "catalog"."""

    level: Level = Level.ERROR
