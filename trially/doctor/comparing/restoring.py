"""CHECK constraints in the notation that they have after a dump and a restore.

PostgreSQL prints some expressions in a notation that it reads as another, equal expression: a cast
of an array becomes a cast of each element. So a restored constraint is printed differently.
"""

from collections.abc import Callable, Mapping, Sequence

from psycopg2 import sql
from psycopg2.extensions import connection

from trially.config import current_settings
from trially.doctor.comparing.snapshots import Row
from trially.tenancy.servers.connections import execute
from trially.tenancy.servers.preparing import owner_role

_DEFINITION = "definition"

_CHECKS = (
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE contype = 'c' AND conrelid <> 0 AND connamespace = %s::regnamespace"
    # A partition has the constraints of its table, and follows their changes.
    " AND coninhcount = 0"
)


def restored_definitions(raw: connection, schema: str) -> Mapping[str, str]:
    """Return how PostgreSQL prints the CHECK constraints of a schema after a dump and a restore.

    The keys are today's definitions; those that stay the same are left out. The constraints are
    created again from their definitions, in a transaction that is rolled back.
    """
    with raw.cursor() as cursor:
        cursor.execute("BEGIN READ WRITE")
        try:
            role = sql.Identifier(owner_role(current_settings()))
            cursor.execute(sql.SQL("SET LOCAL ROLE {}").format(role))
            before = _checks(raw, schema)
            for (table, name), definition in before.items():
                _create_again(raw, table, name, definition)
            after = _checks(raw, schema)
        finally:
            cursor.execute("ROLLBACK")
    return {text: after[key] for key, text in before.items() if after[key] != text}


def in_original_notation(
    found: Sequence[Row], expected: Sequence[Row], restored: Callable[[], Mapping[str, str]]
) -> Sequence[Row]:
    """Return the rows of a database, with the reference's definitions where they mean the same.

    `restored` returns today's definitions of the reference and their restored notation. It is
    called if a constraint of the reference is printed differently in the database.
    """
    originals = {row.object: row.fields[_DEFINITION] for row in expected if _is_constraint(row)}

    def is_different(row: Row) -> bool:
        return _is_constraint(row) and row.fields[_DEFINITION] != originals.get(
            row.object, row.fields[_DEFINITION]
        )

    if not any(map(is_different, found)):
        return found
    texts = restored()
    return [
        row._replace(fields={**row.fields, _DEFINITION: originals[row.object]})
        if is_different(row) and texts.get(originals[row.object]) == row.fields[_DEFINITION]
        else row
        for row in found
    ]


def _is_constraint(row: Row) -> bool:
    return row.catalog == "pg_constraint"


def _checks(raw: connection, schema: str) -> dict[tuple[str, str], str]:
    rows = execute(raw, _CHECKS, schema)
    return {(table, name): definition for table, name, definition in rows}


def _create_again(raw: connection, table: str, name: str, definition: str) -> None:
    """Drop and create a constraint. `table` is quoted already."""
    statement = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}, ADD CONSTRAINT {} {}")
    execute(
        raw,
        statement.format(
            sql.SQL(table), sql.Identifier(name), sql.Identifier(name), sql.SQL(definition)
        ),
    )
