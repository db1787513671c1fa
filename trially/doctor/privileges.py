"""Checks of the privileges in a tenants' database."""

from collections.abc import Iterator

from trially.doctor.databases import REVISION_TABLE, ExaminedDatabase
from trially.doctor.findings import Check, Problem, error
from trially.tenancy.schema.guard import GUARD_SCHEMA

ROW_PRIVILEGES = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})


def tables_are_granted_to_their_role_only(database: ExaminedDatabase) -> Iterator[Problem]:
    """Check that only the schema's own role reads and writes rows, and has no other privilege.

    Row-level security does not bind TRUNCATE, REFERENCES and TRIGGER.
    """
    roles = database.expected.role_by_schema
    for grant in database.table_grants:
        is_expected = (
            grant.grantee == roles.get(grant.schema)
            and grant.privilege in ROW_PRIVILEGES
            and grant.name != REVISION_TABLE
        )
        if not is_expected:
            name = f"{grant.schema}.{grant.name}"
            what = f"{grant.grantee} has {grant.privilege} on {name}"
            yield error(what, f"REVOKE {grant.privilege} ON {name} FROM {grant.grantee};")


def schemas_are_granted_to_their_role_only(database: ExaminedDatabase) -> Iterator[Problem]:
    """Check that only the schema's own role has USAGE on it, and no role has CREATE."""
    roles = database.expected.role_by_schema
    for grant in database.schema_grants:
        is_own_role = grant.grantee == roles.get(grant.schema)
        calls_guard = grant.schema == GUARD_SCHEMA and grant.grantee in database.expected.roles
        if grant.privilege != "USAGE" or not (is_own_role or calls_guard):
            what = f"{grant.grantee} has {grant.privilege} on schema {grant.schema}"
            remedy = f"REVOKE {grant.privilege} ON SCHEMA {grant.schema} FROM {grant.grantee};"
            yield error(what, remedy)


def functions_are_granted_to_tenant_roles_only(database: ExaminedDatabase) -> Iterator[Problem]:
    """Check that only the database's roles call the guard's functions, and no role any other."""
    for grant in database.function_grants:
        if grant.schema != GUARD_SCHEMA or grant.grantee not in database.expected.roles:
            name = f"{grant.schema}.{grant.name}"
            what = f"{grant.grantee} has {grant.privilege} on function {name}"
            yield error(what, f"REVOKE ALL ON FUNCTION {name} FROM {grant.grantee};")


def no_default_privileges_are_set(database: ExaminedDatabase) -> Iterator[Problem]:
    """Look for default privileges, which would grant access to objects created later."""
    rows = database.rows("SELECT DISTINCT pg_get_userbyid(defaclrole) FROM pg_default_acl")
    for (role,) in rows:
        what = f"default privileges are set for objects that {role} creates"
        yield error(what, f"ALTER DEFAULT PRIVILEGES FOR ROLE {role} REVOKE …;")


def child_tables_have_no_grants(database: ExaminedDatabase) -> Iterator[Problem]:
    """Check that child tables are accessed through their parents only.

    A query of the child itself is not bound by the policy of its parent.
    """
    children = {(r.schema, r.name) for r in database.relations if r.is_child}
    for grant in database.table_grants:
        if (grant.schema, grant.name.partition(".")[0]) in children:
            name = f"{grant.schema}.{grant.name}"
            what = f"{grant.grantee} has {grant.privilege} on the child table {name}"
            yield error(what, f"REVOKE ALL ON {name} FROM {grant.grantee};")


PRIVILEGE_CHECKS: tuple[Check[ExaminedDatabase], ...] = (
    tables_are_granted_to_their_role_only,
    schemas_are_granted_to_their_role_only,
    functions_are_granted_to_tenant_roles_only,
    no_default_privileges_are_set,
    child_tables_have_no_grants,
)
