"""Plant each tenant's canary rows, and check that the tenant itself can read them.

An attack on a table without a row of the victim proves nothing.
"""

from collections.abc import Iterable, Iterator, Sequence

import psycopg2
from psycopg2 import sql

from trially.proving.attempts import Party
from trially.proving.sweeps.attackers import Attacker, Table
from trially.proving.sweeps.canary_rows import canary_id
from trially.proving.sweeps.disguises import Disguise
from trially.proving.sweeps.results import Sweep
from trially.tenancy.servers.connections import execute

PLANT, CONTROL = "plant a canary row", "its own tenant reads its canary row"


def planted_tables(tables: Iterable[Table]) -> list[Table]:
    """Return the tables that get a canary row: those that the tenant may use."""
    return [table for table in tables if table.row and table.privileges]


def plant_together(
    disguise: Disguise, parties: Sequence[Party], tables: Sequence[Table], sweep: Sweep
) -> None:
    """Insert the canary rows of all tenants that share tables, with one statement per table.

    Only a superuser may. Otherwise, or if a table refuses, each tenant inserts its own rows.
    """
    rows = [table.row for table in tables if table.row]
    ids = {each.tenant.id: canary_id(sweep.run_id, each.tenant.id) for each in parties}
    try:
        if disguise.is_superuser and all(row.relation.has_key for row in rows):
            disguise.act_as_administrator()
            disguise.keep(sql.SQL(";").join(row.insert_many_sql(ids) for row in rows))
            return
    except psycopg2.Error:
        pass
    for party in parties:
        plant(disguise, party, tables, sweep)


def plant(disguise: Disguise, party: Party, tables: Sequence[Table], sweep: Sweep) -> None:
    """Insert a tenant's canary row into each table, as the tenant."""
    row_id = canary_id(sweep.run_id, party.tenant.id)
    inserts = [
        (table, table.row.insert_sql(party.tenant.id, row_id)) for table in tables if table.row
    ]
    if not inserts:
        return
    disguise.act_as(party)
    try:
        disguise.keep(sql.SQL(";").join(insert for _, insert in inserts))
    except psycopg2.Error:
        for table, reason in _plant_one_by_one(disguise, party, inserts):
            sweep.doubt(party.slug, None, PLANT, f"{table.label} refused it ({reason})")


def _plant_one_by_one(
    disguise: Disguise, party: Party, inserts: Sequence[tuple[Table, sql.Composable]]
) -> Iterator[tuple[Table, str]]:
    """Insert each row alone, and yield the tables that refused it.

    The administrator inserts where the tenant may only read.
    """
    for table, insert in inserts:
        if not table.allows("INSERT"):
            disguise.act_as_administrator()
        try:
            disguise.keep(insert)
        except psycopg2.Error as error:
            yield table, f"SQLSTATE {error.pgcode}"
        if not table.allows("INSERT"):
            disguise.act_as(party)


def check_own_rows(attacker: Attacker) -> None:
    """Read the tenant's own canary rows. If it cannot, nobody's failure to read them counts."""
    tables = [
        table
        for table in planted_tables(attacker.tables)
        if table.allows("SELECT") and table.relation.has_key
    ]
    if not tables:
        return
    attacker.act()
    statement = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE tenant_id = {me} AND id = {canary})").format(
            table.relation.qualified, **attacker.names
        )
        for table in tables
    )
    visible = [is_visible for (is_visible,) in attacker.disguise.attempt(statement)]
    attacker.sweep.hold(CONTROL, "its own tenant reads it", sum(visible))
    for table, is_visible in zip(tables, visible, strict=True):
        if not is_visible:
            _explain_hidden_row(attacker, table)


def _explain_hidden_row(attacker: Attacker, table: Table) -> None:
    """Record where a canary row is that its own tenant cannot read."""
    attacker.disguise.act_as_administrator()
    owners = execute(
        attacker.disguise.raw,
        sql.SQL("SELECT tenant_id FROM {} WHERE id = {canary} AND tenant_id <> {me}").format(
            table.relation.qualified, **attacker.names
        ),
    )
    attacker.act()
    if owners:
        what = f"a row that the tenant inserted into {table.label} became another tenant's"
        attacker.breach([tenant_id for (tenant_id,) in owners], CONTROL, what)
    else:
        reason = f"its own tenant cannot read it in {table.label}"
        attacker.sweep.doubt(attacker.party.slug, None, CONTROL, reason)
