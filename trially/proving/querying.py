"""Query a tenant's canary as another tenant, over the app's own connections.

The statements are those that a forgotten condition or injected SQL could send. Every transaction
is rolled back.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg2
from psycopg2 import errors

from trially.proving.app_connections import run_and_roll_back
from trially.proving.attempts import Attempt, Party, Target
from trially.tenancy.catalog_choices import TenantStatus
from trially.tenancy.context import tenant_context
from trially.tenancy.tiers.limits import Limit
from trially.tenancy.tiers.tenant_tables import TENANT_CHECK

CONTROL, TRUNCATE = "its own tenant reads the canary", "truncate"

_INSERT_OWN_ROW = (
    "INSERT INTO canary (tenant_id, id, run_id, word)"
    " VALUES ('{attacker}', gen_random_uuid(), '{id}', '{word}');"
)

STATEMENTS = {
    "read without a condition": "SELECT word FROM canary",
    "read by qualified name": "SELECT word FROM {schema}.canary",
    "read by id": "SELECT word FROM {schema}.canary WHERE tenant_id = '{target}' AND id = '{id}'",
    "read as the login role": "RESET ROLE; SELECT word FROM {schema}.canary",
    "update": "UPDATE {schema}.canary SET run_id = run_id WHERE id = '{id}' RETURNING word",
    "delete": "DELETE FROM {schema}.canary WHERE id = '{id}' RETURNING word",
    "insert": (
        "INSERT INTO {schema}.canary (tenant_id, id, run_id, word)"
        " VALUES ('{target}', gen_random_uuid(), '{id}', '{word}') RETURNING word"
    ),
    "move a row to the tenant": _INSERT_OWN_ROW
    + "UPDATE canary SET tenant_id = '{target}' WHERE word = '{word}' RETURNING word",
    "insert with a conflict": (  # CVE-2026-120154
        "INSERT INTO {schema}.canary (tenant_id, id, run_id, word)"
        " VALUES ('{target}', '{id}', '{id}', 'clash')"
        " ON CONFLICT (tenant_id, id) DO UPDATE SET word = 'clash'"
        " WHERE canary.word::int = 1"
    ),
    # TRUNCATE itself would lock the table for everyone.
    TRUNCATE: "SELECT '{word}' WHERE has_table_privilege('{schema}.canary', 'TRUNCATE')",
    "read the guard's placements": "SELECT '{word}' FROM trially.placement",
    "SET ROLE": "SET LOCAL ROLE {role}; SELECT '{word}'",
    "SET ROLE and read": "SET LOCAL ROLE {role}; SELECT word FROM {schema}.canary",
    "SET SESSION AUTHORIZATION": "SET SESSION AUTHORIZATION {role}; SELECT '{word}'",
    "set the tenant id and read": (
        "SELECT set_config('trially.tenant_id', '{target}', true);SELECT word FROM {schema}.canary"
    ),
    "set the tenant id and write": (
        "SELECT set_config('trially.tenant_id', '{target}', true);"
        "UPDATE {schema}.canary SET run_id = run_id WHERE id = '{id}' RETURNING word"
    ),
}
"""The statements by the name of their path. A statement that returns the word is a breach."""

LIMIT_OF_PATH = {
    "SET ROLE": Limit.SET_ROLE,
    "SET ROLE and read": Limit.SET_ROLE,
    "set the tenant id and read": Limit.SET_TENANT_ID,
    "set the tenant id and write": Limit.SET_TENANT_ID,
}
"""The limit that allows a path, between tenants of one database of a tier with this limit."""

PATHS_IN_ONE_DATABASE = (TRUNCATE, "read the guard's placements")
"""Paths that only make sense between tenants of one database."""

PATHS_TO_ANOTHER_ROLE = ("SET ROLE", "SET ROLE and read", "SET SESSION AUTHORIZATION")
"""Paths that only make sense between tenants with different roles."""


@dataclass(frozen=True)
class Refusal:
    """The error class and the words with which PostgreSQL reports that a wall refused."""

    error: type[psycopg2.Error]
    words: str
    wall: str


REFUSALS = (
    Refusal(errors.CheckViolation, TENANT_CHECK, f"CHECK {TENANT_CHECK}"),
    Refusal(errors.InsufficientPrivilege, "row-level security", "row-level security"),
    Refusal(errors.InsufficientPrivilege, "for schema", "USAGE on the schema"),
    Refusal(errors.InsufficientPrivilege, "for table", "grants on the table"),
    Refusal(errors.InsufficientPrivilege, "set role", "no membership of the role"),
    Refusal(errors.InsufficientPrivilege, "set session authorization", "no SUPERUSER"),
    Refusal(errors.InsufficientPrivilege, "", "privileges"),
    Refusal(errors.InvalidParameterValue, "does not exist", "no such role on the server"),
)


def read_as_own_tenant(target: Target) -> Iterator[Attempt]:
    """Read the canary as its own tenant. If that fails, no other attempt proves anything."""
    if target.tenant.status != TenantStatus.ACTIVE:
        yield target.not_applicable(CONTROL, None, "the tenant is suspended")
        return
    with tenant_context(str(target.tenant.id)):
        rows = run_and_roll_back(f"SELECT word FROM canary WHERE id = '{target.canary_id}'")
    if rows == [(target.word,)]:
        yield target.held(CONTROL, None, "its own tenant reads it")
    else:
        yield target.inconclusive(CONTROL, None, "its own tenant cannot read it")


def query_as_tenant(target: Target, attacker: Party) -> Iterator[Attempt]:
    """Run every statement in the attacker's context."""
    with tenant_context(str(attacker.tenant.id)):
        for path, statement in STATEMENTS.items():
            if path in PATHS_TO_ANOTHER_ROLE and attacker.login_role == _role_of(target):
                reason = "both log in as the same role; the walls behind it are tested"
                yield target.not_applicable(path, attacker, reason)
            elif path in PATHS_IN_ONE_DATABASE and not target.shares_database_with(attacker):
                reason = "the tenants are in different databases"
                yield target.not_applicable(path, attacker, reason)
            else:
                yield _try_statement(target, attacker, path, statement)


def _try_statement(target: Target, attacker: Party, path: str, template: str) -> Attempt:
    statement = template.format(
        target=target.tenant.id,
        attacker=attacker.tenant.id,
        id=target.canary_id,
        word=target.word,
        schema=target.record.schema,
        role=_role_of(target),
    )
    try:
        rows = run_and_roll_back(statement)
    except psycopg2.Error as error:
        # An error message may quote the statement, which may contain the word, or the row.
        if target.word in str(error) and target.word not in statement:
            return _breach_or_limit(target, attacker, path)
        return _judge_error(target, attacker, path, error)
    if (target.word,) in rows:
        return _breach_or_limit(target, attacker, path)
    wall = "grants on the table" if path == TRUNCATE else _wall_between(target, attacker)
    return target.held(path, attacker, wall)


def _judge_error(target: Target, attacker: Party, path: str, error: psycopg2.Error) -> Attempt:
    for refusal in REFUSALS:
        if isinstance(error, refusal.error) and refusal.words in str(error):
            return target.held(path, attacker, refusal.wall)
    is_elsewhere = not target.shares_database_with(attacker)
    if isinstance(error, errors.UndefinedTable) and is_elsewhere:
        if target.record.schema != attacker.record.schema:
            return target.held(path, attacker, "another database")
        return target.inconclusive(path, attacker, "the attacker has no table canary")
    return target.inconclusive(path, attacker, f"SQLSTATE {error.pgcode}")


def _wall_between(target: Target, attacker: Party) -> str:
    if not target.shares_database_with(attacker):
        return "another database"
    return "row-level security" if target.tier.shares_tables else "another schema"


def _breach_or_limit(target: Target, attacker: Party, path: str) -> Attempt:
    is_limit = LIMIT_OF_PATH.get(path) in target.tier.limits
    if is_limit and target.shares_database_with(attacker):
        reason = f"injected SQL succeeds between tenants of one {target.tier.tier} database"
        return target.limit(path, attacker, reason)
    if path in PATHS_TO_ANOTHER_ROLE:
        remedy = f"REVOKE {_role_of(target)} FROM {attacker.login_role}; then run `flask doctor`."
        what = f"the session became {_role_of(target)}"
        return target.breached(path, attacker, what, remedy)
    remedy = (
        f"Check in the database {attacker.record.database} that {attacker.tier.walls}."
        " `flask doctor` lists the violations."
    )
    return target.breached(path, attacker, "the database ran the statement", remedy)


def _role_of(party: Party) -> str:
    return party.placement.role or party.login_role
