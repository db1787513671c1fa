"""Call functions that return rows, and read large objects: both are reached without a table."""

import psycopg2
from psycopg2 import sql

from trially.proving.sweeps.attackers import Attacker, wall_of
from trially.tenancy.servers.connections import execute

FUNCTIONS, LARGE_OBJECTS = "call functions that return rows", "large objects"
MOST_OBJECTS = 100

_FUNCTIONS = """
SELECT nspname, proname FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace
WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
AND has_schema_privilege(pronamespace, 'USAGE') AND has_function_privilege(pg_proc.oid, 'EXECUTE')
AND prokind = 'f' AND proretset AND pronargs = pronargdefaults
AND ('tenant_id' = ANY(coalesce(proargnames, '{}')) OR EXISTS (
    SELECT FROM pg_type JOIN pg_attribute ON attrelid = typrelid
    WHERE pg_type.oid = prorettype AND attname = 'tenant_id' AND NOT attisdropped))
"""

_LARGE_OBJECTS = """
SELECT pg_largeobject_metadata.oid, rolname FROM pg_largeobject_metadata
LEFT JOIN pg_roles ON pg_roles.oid = lomowner
ORDER BY 1 LIMIT %s
"""


def look_around(attacker: Attacker) -> None:
    """Call each function that needs no argument and returns rows, and read each large object."""
    attacker.act()
    _call_functions(attacker)
    _read_large_objects(attacker)


def _call_functions(attacker: Attacker) -> None:
    for schema, name in execute(attacker.disguise.raw, _FUNCTIONS):
        statement = sql.SQL(
            "SELECT DISTINCT tenant_id FROM {}() WHERE tenant_id::text <> {me}"
        ).format(sql.Identifier(schema, name), **attacker.names)
        try:
            seen = {row[0] for row in attacker.disguise.attempt(statement)}
        except psycopg2.Error as error:
            if wall_of(error) is None:
                reason = f"{schema}.{name} failed (SQLSTATE {error.pgcode})"
                attacker.sweep.doubt(attacker.party.slug, attacker.party, FUNCTIONS, reason)
            continue
        if seen:
            attacker.breach(seen, FUNCTIONS, f"{schema}.{name} returned rows")
    attacker.sweep.hold(FUNCTIONS, attacker.wall)


def _read_large_objects(attacker: Attacker) -> None:
    """Read large objects. The app has none, so whose one is cannot be known."""
    own = {attacker.party.placement.role or attacker.party.login_role}
    for number, owner in execute(attacker.disguise.raw, _LARGE_OBJECTS, MOST_OBJECTS):
        if owner in own and not attacker.shares_tables:
            continue
        try:
            attacker.disguise.attempt("SELECT FROM lo_get(%s, 0, 0)", number)
        except psycopg2.Error as error:
            if wall_of(error) is not None:
                continue
        reason = f"the large object {number} can be read, and whose it is is unknown"
        attacker.sweep.doubt(attacker.party.slug, attacker.party, LARGE_OBJECTS, reason)
    attacker.sweep.hold(LARGE_OBJECTS, "none of another tenant can be read")
