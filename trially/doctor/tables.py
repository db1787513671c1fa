"""Checks of tenants' tables: policies, row-level security, CHECKs, keys and triggers."""

from collections.abc import Iterator

from trially.doctor.databases import REVISION_TABLE, ExaminedDatabase
from trially.doctor.findings import Check, Problem, error
from trially.tenancy.tiers.tenant_tables import TENANT_CHECK

POLICY = "tenant_rows"
CONDITION = (
    "(tenant_id = (NULLIF(current_setting('trially.tenant_id'::text, true), ''::text))::uuid)"
)
"""The condition of every table's policy, as PostgreSQL prints it."""

VERSION_TRIGGER = "grow_version"
BEFORE_UPDATE_FOR_EACH_ROW = 1 | 2 | 16
"""`pg_trigger.tgtype` of the trigger: ROW, BEFORE and UPDATE."""


def every_table_has_a_tenant_id(database: ExaminedDatabase) -> Iterator[Problem]:
    """Look for tables without a tenant_id, which no policy or CHECK can protect."""
    for table in database.tenant_tables:
        if not table.has_tenant_id:
            what = f"{table.full_name} has no tenant_id"
            yield error(what, "Add the column, or move the table to another database.")


def every_table_has_exactly_its_policy(database: ExaminedDatabase) -> Iterator[Problem]:
    """Check that each table has the policy, and no other policy that allows more rows."""
    for table in database.tenant_tables:
        policies = database.policies.get((table.schema, table.name), [])
        if not policies:
            what = f"{table.full_name} has no policy"
            yield error(what, f"Create {POLICY} as the migration of the table does.")
        for policy in policies:
            is_expected = (
                policy.is_permissive
                and policy.is_to_public
                and (policy.command, policy.condition, policy.check) == ("*", CONDITION, CONDITION)
                and len(policies) == 1
            )
            if not is_expected:
                what = f"the policy {policy.name} of {table.full_name} is unexpected"
                remedy = f"Keep one policy, {POLICY}: PERMISSIVE, FOR ALL, TO PUBLIC, {CONDITION}."
                yield error(what, remedy)


def row_security_is_enabled_and_forced(database: ExaminedDatabase) -> Iterator[Problem]:
    """Check that row-level security binds every role, the owner too, where tables are shared."""
    if not database.expected.tier.has_row_security:
        return
    for table in database.tenant_tables:
        if not (table.has_row_security and table.forces_row_security):
            missing = "forced" if table.has_row_security else "enabled"
            what = f"row-level security of {table.full_name} is not {missing}"
            remedy = f"ALTER TABLE {table.full_name} ENABLE ROW LEVEL SECURITY,"
            yield error(what, remedy + " FORCE ROW LEVEL SECURITY;")


def every_table_has_its_tenant_check(database: ExaminedDatabase) -> Iterator[Problem]:
    """Check that the tables of one tenant accept no row of another tenant."""
    if not database.expected.tier.has_tenant_check:
        return
    constraints = {
        (schema, table): (definition, is_valid)
        for schema, table, definition, is_valid in database.rows(
            "SELECT nspname, relname, pg_get_constraintdef(pg_constraint.oid), convalidated"
            " FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid"
            " JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE conname = %s",
            TENANT_CHECK,
        )
    }
    tenant_ids = {tenant.placement.schema: tenant.id for tenant in database.expected.tenants}
    for table in database.tenant_tables:
        if table.schema not in tenant_ids or not table.has_tenant_id:
            continue
        expected = (f"CHECK ((tenant_id = '{tenant_ids[table.schema]}'::uuid))", True)
        if constraints.get((table.schema, table.name)) != expected:
            what = f"{table.full_name} has no valid {TENANT_CHECK} for its tenant"
            yield error(what, "Drop the wrong CHECK, if any, and run `flask db upgrade`.")


def unique_indexes_start_with_tenant_id(database: ExaminedDatabase) -> Iterator[Problem]:
    """Check that a unique violation cannot reveal another tenant's rows (CVE-2026-120154)."""
    rows = database.rows(
        "SELECT nspname, index_class.relname FROM pg_index"
        " JOIN pg_class ON pg_class.oid = indrelid"
        " JOIN pg_class index_class ON index_class.oid = indexrelid"
        " JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace"
        " WHERE indisunique AND nspname = ANY(%s) AND pg_class.relname <> %s"
        " AND indkey[0] IS DISTINCT FROM (SELECT attnum FROM pg_attribute"
        "  WHERE attrelid = indrelid AND attname = 'tenant_id') ORDER BY 1, 2",
        sorted(database.expected.schemas),
        REVISION_TABLE,
    )
    for schema, index in rows:
        what = f"the unique index {schema}.{index} does not start with tenant_id"
        yield error(what, "Recreate it with tenant_id as its first column, in a migration.")


def every_versioned_table_has_its_trigger(database: ExaminedDatabase) -> Iterator[Problem]:
    """Check that each table with a `version` column has the trigger that increments it.

    Without the trigger the ETag never changes, so `If-Match` prevents no lost update.
    """
    rows = database.rows(
        "SELECT nspname, relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
        " JOIN pg_namespace ON pg_namespace.oid = relnamespace"
        " JOIN pg_proc ON pg_proc.oid = tgfoid"
        " WHERE tgname = %s AND proname = tgname AND tgtype = %s AND tgenabled IN ('O', 'A')"
        " AND tgqual IS NULL AND tgattr::text = ''",
        VERSION_TRIGGER,
        BEFORE_UPDATE_FOR_EACH_ROW,
    )
    with_trigger = {(schema, table) for schema, table in rows}
    for table in database.tenant_tables:
        if table.has_version and (table.schema, table.name) not in with_trigger:
            what = f"{table.full_name} has no enabled trigger {VERSION_TRIGGER}"
            remedy = (
                f"CREATE OR REPLACE TRIGGER {VERSION_TRIGGER} BEFORE UPDATE ON {table.full_name}"
                f" FOR EACH ROW EXECUTE FUNCTION {table.schema}.{VERSION_TRIGGER}();"
            )
            yield error(what, remedy)


TABLE_CHECKS: tuple[Check[ExaminedDatabase], ...] = (
    every_table_has_a_tenant_id,
    every_table_has_exactly_its_policy,
    row_security_is_enabled_and_forced,
    every_table_has_its_tenant_check,
    unique_indexes_start_with_tenant_id,
    every_versioned_table_has_its_trigger,
)
