"""Reach for what belongs to other tenants beside the tenant's own tables: other schemas."""

from collections.abc import Mapping, Sequence

import psycopg2
from psycopg2 import sql

from trially.proving.attempts import Party
from trially.proving.sweeps.attackers import GRANTS, Attacker, wall_of
from trially.proving.sweeps.rights import Reached, reached_relations

BY_ROLE, BY_LOGIN = "reach another schema", "reach another schema as the login role"
NAMED = "read by the name of another schema"


def look_beyond(
    attacker: Attacker, reached: Sequence[Reached], owners: Mapping[str, Party]
) -> None:
    """Use every table of another schema that the tenant's role or its login role may use.

    PostgreSQL is asked for the privileges on all tables of the database at once. `owners` are the
    tenants by the name of their schema.
    """
    for each in reached:
        if each.schema != attacker.party.record.schema:
            attacker.act()
            _use(attacker, BY_ROLE, each, owners)
    attacker.sweep.hold(BY_ROLE, GRANTS, len(attacker.others))
    if attacker.party.placement.role is not None:
        attacker.disguise.act_as(attacker.party, role=attacker.party.login_role)
        for each in reached_relations(attacker.disguise.raw):
            _use(attacker, BY_LOGIN, each, owners)
        attacker.sweep.hold(BY_LOGIN, GRANTS, len(attacker.others))
    if not attacker.shares_tables:
        _name_a_table(attacker)


def _use(attacker: Attacker, path: str, reached: Reached, owners: Mapping[str, Party]) -> None:
    """Record that a table of another schema may be used, and by whom it is owned."""
    owner = owners.get(reached.schema)
    privileges = ", ".join(sorted(reached.privileges))
    if owner is not None:
        if owner.tenant.id in {other.tenant.id for other in attacker.others}:
            what = f"the role has {privileges} on {reached.label}"
            attacker.breach([owner.tenant.id], path, what)
        return
    table = sql.Identifier(reached.schema, reached.name)
    statement = sql.SQL(
        "SELECT DISTINCT tenant_id FROM (SELECT tenant_id FROM {} WHERE tenant_id::text <> {me}"
        " LIMIT 1000) AS visible"
    ).format(table, **attacker.names)
    try:
        rows = attacker.disguise.attempt(statement)
    except psycopg2.Error as error:
        if wall_of(error) is None:
            reason = f"whose rows {reached.label} shows is unknown (SQLSTATE {error.pgcode})"
            attacker.sweep.doubt(attacker.party.slug, attacker.party, path, reason)
        return
    attacker.breach([row[0] for row in rows], path, f"rows of {reached.label} are visible")


def _name_a_table(attacker: Attacker) -> None:
    """Read a table of one other tenant by its qualified name: each time of another one."""
    if not (attacker.others and attacker.tables):
        return
    victim = attacker.victim(0)
    table = attacker.tables[attacker.number % len(attacker.tables)].relation
    assert victim is not None  # noqa: S101
    name = sql.Identifier(victim.record.schema, table.name)
    attacker.act()
    try:
        attacker.disguise.attempt(sql.SQL("SELECT FROM {} LIMIT 1").format(name))
    except psycopg2.Error as error:
        wall = wall_of(error)
        if wall is None:
            reason = f"SQLSTATE {error.pgcode} in {victim.record.schema}.{table.name}"
            attacker.sweep.doubt(victim.slug, attacker.party, NAMED, reason)
        else:
            attacker.sweep.hold(NAMED, wall)
    else:
        what = f"{victim.record.schema}.{table.name} was read"
        attacker.breach([victim.tenant.id], NAMED, what)
