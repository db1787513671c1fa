"""What the attacks came to: collected as the tests run, and written up in docs/isolation.md."""

from collections.abc import Iterator, Mapping, Sequence

from attacks import ATTACKS, GROUPS
from walls import DIRECT, MEANINGS, POOLER, Attack, Wall

from trially.tenancy.catalog import Tier

Found = Mapping[tuple[str, Tier, str], Wall]
"""Which wall held: by the attack's name, the tier, and how the database was reached."""

INTRODUCTION = """\
# What keeps tenants apart

Written by `make docs` from what the tests in `tests/isolation` found: each attack was made by one tenant on another in every
tier, the two of them in the same database where the tier shares one. A test fails if a wall is another one than it says here.

**The tiers are not equally strong.** For a member with a token, and for a mistake in the application, there are several walls in
each tier, and any one of them is enough. They differ when somebody can run SQL of their own in the application's session
(SQL injection), for then only the login role is a wall:

- `dedicated_database`: the login role reaches one database, the tenant's own. **It holds**, whatever is run.
- `own_schema`: the login role may take on the role of every tenant in the database. One `SET ROLE` is enough.
- `pooled_rows`: the policies believe a setting of the transaction. One `set_config` is enough.

So in the shared tiers row security and roles are defence in depth: against the statement that forgot its `WHERE`, not against one
that an attacker wrote. That is why `dedicated_database` is the default. A `silo` is an instance of its own, with the walls of
`dedicated_database` behind a process and a network that no other tenant is in; it has no neighbour to be tried with here.

All of it stands on PostgreSQL itself. Servers older than the minor releases of November 2026 have bugs that let crafted SQL past
row security (CVE-2026-120154, CVE-2026-116311) or into the server's memory; what is published of the first two was tried here.

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

| wall | what it is |
|---|---|
"""  # noqa: E501

TABLES = """
## The attacks

Each was made on connections to the server; those marked ᵖ were made through [PgBouncer](poolers.md) in transaction mode too, with
the same end unless it says otherwise.
"""  # noqa: E501

LIMITS = """
## The limits

What succeeds is tested to succeed, so that this page stays true.
"""

HEADS: Mapping[str, str] = {
    "Over HTTP": "A member of another tenant, or nobody, sends requests.",
    "The application makes a mistake": "No attacker is needed: a line of code that should not be.",
    "A wall is gone": "One wall is taken away, and the others have to do.",
    "SQL is injected, to read": "Any SQL, in the session of the attacker's own tenant.",
    "A login role's password is stolen": "And the server's port, or the pooler's, can be reached.",
}


def describe_isolation(found: Found, tiers: Sequence[Tier]) -> str:
    """Return docs/isolation.md as these findings have it."""
    walls = "".join(f"| {wall} | {meaning} |\n" for wall, meaning in MEANINGS.items())
    groups = "".join(_group(title, attacks, found, tiers) for title, attacks in GROUPS.items())
    return INTRODUCTION + walls + TABLES + groups + LIMITS + "".join(_limits())


def rows_of(found: Found, tiers: Sequence[Tier]) -> Iterator[str]:
    """Yield the row of each attack that has been tried in full."""
    for attack in ATTACKS.values():
        if is_complete(attack, found, tiers):
            yield _row(attack, found, tiers)


def is_complete(attack: Attack, found: Found, tiers: Sequence[Tier]) -> bool:
    """Tell whether an attack has been tried in each tier, in each way that it is to be."""
    return all(
        (attack.name, tier, way) in found
        for tier in tiers
        for way in attack.ways
        if attack.wall_in(tier, way) is not None
    )


def _group(title: str, attacks: Sequence[Attack], found: Found, tiers: Sequence[Tier]) -> str:
    said = f"\n{HEADS[title]}\n" if title in HEADS else ""
    head = f"\n### {title}\n{said}\n| | {' | '.join(tiers)} |\n|{'---|' * (len(tiers) + 1)}\n"
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
