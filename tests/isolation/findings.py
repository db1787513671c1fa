"""Write docs/isolation.md from the results of the attacks, which the tests collect."""

from collections.abc import Iterator, Mapping, Sequence

from attacks import ATTACKS, GROUPS
from walls import DIRECT, MEANINGS, POOLER, Attack, Wall

from trially.tenancy.catalog_choices import Tier

Found = Mapping[tuple[str, Tier, str], Wall]
"""The wall that held, by attack, tier and way to the database."""

INTRODUCTION = """\
# What keeps tenants apart

`make isolation-docs` writes this page from the results of the tests in `tests/isolation`. In every tier, the tests make each attack from one
tenant on another. Both tenants are in the same database if the tier shares databases. A test fails if another wall holds than the
one on this page.

**The tiers are not equally strong.** Against a member with a token, and against a mistake in the application, each tier has several
walls, and each of them is enough. The tiers differ under SQL injection, when an attacker can run any SQL in the application's
session. Then only the login role is a wall:

- `dedicated_database`: the login role can connect to one database, the tenant's own. **It holds** against any SQL.
- `own_schema`: the login role is a member of the roles of all tenants in the database. One `SET ROLE` is enough.
- `pooled_rows`: the policies trust a setting of the transaction. One `set_config` is enough.

In the shared tiers, row security and roles are therefore defence in depth. They stop a statement that forgot its `WHERE`, but not a
statement that an attacker wrote. That is why `dedicated_database` is the default. A `silo` is a separate instance. It has the walls of
`dedicated_database`, and its process and network serve no other tenant. It has no neighbour, so the tests cannot attack it from one.

All walls depend on PostgreSQL. Servers older than the minor releases of November 2026 have bugs that let crafted SQL read past row
security (CVE-2026-120154, CVE-2026-116311) or read the server's memory. The tests try what is published about the first two.

## The walls of each tier

```mermaid
flowchart LR
    request([request]) --> token{{token}} --> member{{membership}} --> app[the application: filter, session guard]
    app -->|login role t_a| connect{{CONNECT}} --> guardA{{guard}} --> dedicated[("database t_a<br/>CHECK on every table")]
    app -->|login role s_1| role{{"SET LOCAL ROLE t_b"}} --> guardB{{guard}} --> usage{{USAGE}}
    usage --> schema[("schema t_b in database s_1<br/>CHECK on every table")]
    app -->|login role s_2| setting{{"tenant id, for one transaction"}} --> guardC{{guard}} --> policy{{policy}}
    policy --> rows[("rows in database s_2<br/>row security forced")]
```

| wall | meaning |
|---|---|
"""  # noqa: E501

TABLES = """
## The attacks

The tests make each attack on direct connections to the server. They make attacks marked ᵖ also through
[PgBouncer](poolers.md) in transaction mode, with the same result unless the cell shows another one after ᵖ.
"""  # noqa: E501

LIMITS = """
## The limits

These attacks succeed. The tests check that they do, so that this page stays true.
"""

LEADS: Mapping[str, str] = {
    "Over HTTP": "The attacker is a member of another tenant, or has no token.",
    "The application makes a mistake": "There is no attacker: a line of code is wrong.",
    "A wall is missing": "One wall is removed, and the others must hold.",
    "SQL is injected, to read": "The attacker runs any SQL in the session of its own tenant.",
    "A login role's password is stolen": "The attacker can reach the port of the server or pooler.",
}


def describe_isolation(found: Found, tiers: Sequence[Tier]) -> str:
    """Return the text of docs/isolation.md for these results."""
    walls = "".join(f"| {wall} | {meaning} |\n" for wall, meaning in MEANINGS.items())
    groups = "".join(_group(title, attacks, found, tiers) for title, attacks in GROUPS.items())
    return INTRODUCTION + walls + TABLES + groups + LIMITS + "".join(_limits())


def rows_of(found: Found, tiers: Sequence[Tier]) -> Iterator[str]:
    """Yield the table rows of the attacks that were made in all tiers and ways."""
    for attack in ATTACKS.values():
        if is_complete(attack, found, tiers):
            yield _row(attack, found, tiers)


def is_complete(attack: Attack, found: Found, tiers: Sequence[Tier]) -> bool:
    """Return whether an attack was made in all tiers and in all of its ways."""
    return all(
        (attack.name, tier, way) in found
        for tier in tiers
        for way in attack.ways
        if attack.wall_in(tier, way) is not None
    )


def _group(title: str, attacks: Sequence[Attack], found: Found, tiers: Sequence[Tier]) -> str:
    lead = f"\n{LEADS[title]}\n" if title in LEADS else ""
    head = f"\n### {title}\n{lead}\n| | {' | '.join(tiers)} |\n|{'---|' * (len(tiers) + 1)}\n"
    return head + "".join(_row(attack, found, tiers) for attack in attacks)


def _row(attack: Attack, found: Found, tiers: Sequence[Tier]) -> str:
    mark = " ᵖ" if POOLER in attack.ways else ""
    cells = [_cell(attack, found, tier) for tier in tiers]
    return f"| {attack.name}{mark} | {' | '.join(cells)} |\n"


def _cell(attack: Attack, found: Found, tier: Tier) -> str:
    direct, pooled = (found.get((attack.name, tier, way)) for way in (DIRECT, POOLER))
    if direct is None:
        return "-"
    shown = f"**{direct}**" if direct is Wall.LIMIT else str(direct)
    return shown if pooled in (None, direct) else f"{shown}; ᵖ {pooled}"


def _limits() -> Iterator[str]:
    for attack in ATTACKS.values():
        where = [f"`{tier}`" for tier, wall in attack.walls.items() if wall is Wall.LIMIT]
        if where:
            yield f"\n- **{attack.name}** ({', '.join(where)}). {attack.limit}"
    yield "\n"
