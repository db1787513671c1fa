"""Ask for a tenant's canary in SQL, over the app's own connections, as another tenant.

It is what a forgotten condition or injected SQL could send. Every transaction is rolled back.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2 import errors

from trially.database.placement import (
    StalePlacementError,
    TenantSuspendedError,
    current_placement,
)
from trially.database.session import engine_registry
from trially.proving.attempts import Attempt, Party, Target
from trially.tenancy.catalog import TenantStatus, Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.directory import UnknownTenantError
from trially.tenancy.tiers.tenant_tables import TENANT_CHECK

OWN_ROW = (
    "INSERT INTO canary (tenant_id, id, run_id, word)"
    " VALUES ('{attacker}', gen_random_uuid(), '{id}', '{word}');"
)

CONTROL = "the canary is there"

QUESTIONS = {
    "read without a condition": "SELECT word FROM canary",
    "read by qualified name": "SELECT word FROM {schema}.canary",
    "read by id": "SELECT word FROM {schema}.canary WHERE tenant_id = '{target}' AND id = '{id}'",
    "read as the login role": "RESET ROLE; SELECT word FROM {schema}.canary",
    "change": "UPDATE {schema}.canary SET run_id = run_id WHERE id = '{id}' RETURNING word",
    "remove": "DELETE FROM {schema}.canary WHERE id = '{id}' RETURNING word",
    "add": (
        "INSERT INTO {schema}.canary (tenant_id, id, run_id, word)"
        " VALUES ('{target}', gen_random_uuid(), '{id}', '{word}') RETURNING word"
    ),
    "give a row away": OWN_ROW
    + "UPDATE canary SET tenant_id = '{target}' WHERE word = '{word}' RETURNING word",
    "clash": (  # CVE-2026-120154
        "INSERT INTO {schema}.canary (tenant_id, id, run_id, word)"
        " VALUES ('{target}', '{id}', '{id}', 'clash')"
        " ON CONFLICT (tenant_id, id) DO UPDATE SET word = 'clash'"
        " WHERE canary.word::int = 1"
    ),
    "empty the table": "TRUNCATE {schema}.canary; SELECT '{word}'",
    "read the guard's placements": "SELECT '{word}' FROM trially.placement",
    "SET ROLE": "SET LOCAL ROLE {role}; SELECT '{word}'",
    "SET ROLE and read": "SET LOCAL ROLE {role}; SELECT word FROM {schema}.canary",
    "SET SESSION AUTHORIZATION": "SET SESSION AUTHORIZATION {role}; SELECT '{word}'",
    "set the tenant's id": (
        "SELECT set_config('trially.tenant_id', '{target}', true);SELECT word FROM {schema}.canary"
    ),
    "set the tenant's id and write": (
        "SELECT set_config('trially.tenant_id', '{target}', true);"
        "UPDATE {schema}.canary SET run_id = run_id WHERE id = '{id}' RETURNING word"
    ),
}
"""What is asked, by the name of the path. Whatever returns the word has reached the canary."""

LIMITS = {
    "SET ROLE": Tier.OWN_SCHEMA,
    "SET ROLE and read": Tier.OWN_SCHEMA,
    "set the tenant's id": Tier.POOLED_ROWS,
    "set the tenant's id and write": Tier.POOLED_ROWS,
}
"""What docs/tiers.md says does get through, between tenants of one database of this tier."""

HERE = ("empty the table", "read the guard's placements")
"""What reaches nobody who is in another database."""

_OF_DEDICATED = (
    f"each table has its CHECK {TENANT_CHECK}, and the tenant's role may read and write rows"
    " and no more"
)
WALLS = {
    Tier.SILO: _OF_DEDICATED,
    Tier.DEDICATED_DATABASE: _OF_DEDICATED,
    Tier.OWN_SCHEMA: (
        f"each table has its CHECK {TENANT_CHECK}, nobody but a schema's own role has USAGE on it,"
        " and nobody but the login role is a member of that role"
    ),
    Tier.POOLED_ROWS: (
        "each table has FORCE ROW LEVEL SECURITY and tenant_rows as its one policy, and the login"
        " role may read and write rows and no more"
    ),
}
"""What is to stand in a database of each tier."""

OWN_ROLE = ("SET ROLE", "SET ROLE and read", "SET SESSION AUTHORIZATION")
"""What is no attack where both tenants log in as one role, and have no others."""


@dataclass(frozen=True)
class Refusal:
    """What SQLSTATE and words a wall refuses with."""

    error: type[psycopg2.Error]
    words: str
    wall: str


REFUSALS = (
    Refusal(errors.CheckViolation, TENANT_CHECK, f"CHECK {TENANT_CHECK}"),
    Refusal(errors.InsufficientPrivilege, "row-level security", "row security"),
    Refusal(errors.InsufficientPrivilege, "for schema", "USAGE on the schema"),
    Refusal(errors.InsufficientPrivilege, "for table", "grants on the table"),
    Refusal(errors.InsufficientPrivilege, "set role", "no membership of the role"),
    Refusal(errors.InsufficientPrivilege, "set session authorization", "no superuser"),
    Refusal(errors.InsufficientPrivilege, "", "privileges"),
    Refusal(errors.InvalidParameterValue, "does not exist", "no such role on the server"),
)


def see_as_itself(target: Target) -> Iterator[Attempt]:
    """See the canary as its own tenant: if not even that sees it, nothing else is proved."""
    if target.tenant.status != TenantStatus.ACTIVE:
        yield target.not_applicable(CONTROL, None, "the tenant is suspended")
        return
    with tenant_context(str(target.tenant.id)):
        rows = _answer(f"SELECT word FROM canary WHERE id = '{target.canary_id}'")
    if rows == [(target.word,)]:
        yield target.held(CONTROL, None, "its own tenant sees it")
    else:
        yield target.unproved(CONTROL, None, "its own tenant does not see it")


def ask_as_tenant(target: Target, attacker: Party) -> Iterator[Attempt]:
    """Ask everything in another tenant's context."""
    try:
        with tenant_context(str(attacker.tenant.id)):
            for path, question in QUESTIONS.items():
                if path in OWN_ROLE and attacker.login_role == _role_of(target):
                    reason = "both log in as the same role; what stands behind it is tried"
                    yield target.not_applicable(path, attacker, reason)
                elif path in HERE and not target.shares_database_with(attacker):
                    yield target.not_applicable(path, attacker, "they are in other databases")
                else:
                    yield _ask(target, attacker, path, question)
    except (StalePlacementError, TenantSuspendedError, UnknownTenantError) as error:
        yield target.unproved("SQL", attacker, f"the attacker was away ({type(error).__name__})")


def _ask(target: Target, attacker: Party, path: str, question: str) -> Attempt:
    statement = question.format(
        target=target.tenant.id,
        attacker=attacker.tenant.id,
        id=target.canary_id,
        word=target.word,
        schema=target.record.schema,
        role=_role_of(target),
    )
    try:
        rows = _answer(statement)
    except psycopg2.Error as error:
        # The server quotes what a statement says, and what a row says.
        if target.word in str(error) and target.word not in statement:
            return _reached(target, attacker, path)
        return _refused(target, attacker, path, error)
    if (target.word,) in rows:
        return _reached(target, attacker, path)
    return target.held(path, attacker, _what_kept_it(target, attacker))


def _answer(statement: str) -> list[Any]:
    """Send a batch of statements in one transaction, and take back whatever it did."""
    engine = engine_registry().engine_for(current_placement())
    with closing(engine.raw_connection()) as raw, closing(raw.cursor()) as cursor:
        try:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
        finally:
            raw.rollback()


def _refused(target: Target, attacker: Party, path: str, error: psycopg2.Error) -> Attempt:
    for refusal in REFUSALS:
        if isinstance(error, refusal.error) and refusal.words in str(error):
            return target.held(path, attacker, refusal.wall)
    is_elsewhere = not target.shares_database_with(attacker)
    if isinstance(error, errors.UndefinedTable) and is_elsewhere:
        if target.record.schema != attacker.record.schema:
            return target.held(path, attacker, "another database")
        return target.unproved(path, attacker, "the attacker has no table canary")
    return target.unproved(path, attacker, f"SQLSTATE {error.pgcode}")


def _what_kept_it(target: Target, attacker: Party) -> str:
    if not target.shares_database_with(attacker):
        return "another database"
    return "row security" if target.tier is Tier.POOLED_ROWS else "another schema"


def _reached(target: Target, attacker: Party, path: str) -> Attempt:
    is_limit = target.tier is LIMITS.get(path) and target.shares_database_with(attacker)
    if is_limit:
        return target.limit(path, attacker, f"injected SQL gets through in {target.tier}")
    if path in OWN_ROLE:
        remedy = f"REVOKE {_role_of(target)} FROM {attacker.login_role}; see `flask doctor`."
        return target.reached(path, attacker, f"it became {_role_of(target)}", remedy)
    remedy = (
        f"In database {attacker.record.database}, see that {WALLS[attacker.tier]}; `flask doctor`"
        " names the places."
    )
    return target.reached(path, attacker, "the database did it", remedy)


def _role_of(party: Party) -> str:
    return party.placement.role or party.login_role
