"""What the tables of tenants must have: policies, CHECKs, keys, and nobody else's privileges."""

from collections.abc import Iterator

from psycopg2 import sql

from trially.doctor.databases import REVISION_TABLE, ExaminedDatabase
from trially.doctor.findings import Check, Problem, error, warning
from trially.tenancy.catalog import TenantStatus, Tier
from trially.tenancy.schema.guard import GUARD_SCHEMA
from trially.tenancy.schema.lineages import TENANT_LINEAGE, head_of
from trially.tenancy.tiers.blank_schema import BLANK_SCHEMA
from trially.tenancy.tiers.tenant_tables import TENANT_CHECK

CONDITION = (
    "(tenant_id = (NULLIF(current_setting('trially.tenant_id'::text, true), ''::text))::uuid)"
)
"""The policies' formula, as PostgreSQL writes it."""

ROW_PRIVILEGES = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
SHADOWS = {"v": "view", "m": "materialised view", "f": "foreign table"}
SEES_AS_CALLER = {"security_invoker=true", "security_invoker=on", "security_invoker=1"}
RISKY_EXTENSIONS = frozenset({"adminpack", "dblink", "file_fdw", "pageinspect", "postgres_fdw"})


def every_table_has_its_one_policy(database: ExaminedDatabase) -> Iterator[Problem]:
    """See that no table is without the policy, and that none has one that lets more through."""
    for table in database.tenant_tables:
        policies = database.policies.get((table.schema, table.name), [])
        if not policies:
            what = f"{table.full_name} has no policy"
            yield error(what, "Make tenant_rows again, as the table's migration does.")
        for policy in policies:
            told = (policy.command, policy.condition, policy.check)
            is_right = (
                policy.is_permissive
                and policy.is_for_all
                and told == ("*", CONDITION, CONDITION)
                and len(policies) == 1
            )
            if not is_right:
                what = f"the policy {policy.name} of {table.full_name} is not the one"
                remedy = f"Leave tenant_rows alone: permissive, TO PUBLIC, {CONDITION}."
                yield error(what, remedy)


def row_security_binds_everyone(database: ExaminedDatabase) -> Iterator[Problem]:
    """See that policies are switched on where tables are shared, for the owner too."""
    if database.place.tier is not Tier.POOLED_ROWS:
        return
    for table in database.tenant_tables:
        if not (table.is_secured and table.is_forced):
            what = f"row security of {table.full_name} is not " + (
                "forced" if table.is_secured else "on"
            )
            remedy = f"ALTER TABLE {table.full_name} ENABLE ROW LEVEL SECURITY,"
            yield error(what, remedy + " FORCE ROW LEVEL SECURITY;")


def every_table_is_held_to_its_tenant(database: ExaminedDatabase) -> Iterator[Problem]:
    """See that a table that is one tenant's takes no row of another."""
    if database.place.tier is Tier.POOLED_ROWS:
        return
    found = {
        (schema, table): (definition, is_valid)
        for schema, table, definition, is_valid in database.rows(
            "SELECT nspname, relname, pg_get_constraintdef(pg_constraint.oid), convalidated"
            " FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid"
            " JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE conname = %s",
            TENANT_CHECK,
        )
    }
    ids = {tenant.placement.schema: tenant.id for tenant in database.place.tenants}
    for table in database.tenant_tables:
        if table.schema not in ids or not table.has_tenant_id:
            continue
        right = (f"CHECK ((tenant_id = '{ids[table.schema]}'::uuid))", True)
        if found.get((table.schema, table.name)) != right:
            what = f"{table.full_name} has no {TENANT_CHECK} of its tenant"
            remedy = "`flask db upgrade` makes it, once the wrong one is dropped."
            yield error(what, remedy)


def every_table_has_a_tenant_id(database: ExaminedDatabase) -> Iterator[Problem]:
    """Look for tables among the tenants' that no wall could hold."""
    for table in database.tenant_tables:
        if not table.has_tenant_id:
            yield error(f"{table.full_name} has no tenant_id", "Add it, or move the table away.")


def unique_indexes_lead_with_tenant_id(database: ExaminedDatabase) -> Iterator[Problem]:
    """See that a clash tells nobody of another tenant's rows, and leaks none (CVE-2026-120154)."""
    rows = database.rows(
        "SELECT nspname, index_class.relname FROM pg_index"
        " JOIN pg_class ON pg_class.oid = indrelid"
        " JOIN pg_class index_class ON index_class.oid = indexrelid"
        " JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace"
        " WHERE indisunique AND nspname = ANY(%s) AND pg_class.relname <> %s"
        " AND indkey[0] IS DISTINCT FROM (SELECT attnum FROM pg_attribute"
        "  WHERE attrelid = indrelid AND attname = 'tenant_id') ORDER BY 1, 2",
        sorted(database.schemas),
        REVISION_TABLE,
    )
    for schema, index in rows:
        what = f"the unique index {schema}.{index} does not lead with tenant_id"
        yield error(what, "Make it anew with tenant_id first, in a migration.")


def tables_are_granted_to_their_role_only(database: ExaminedDatabase) -> Iterator[Problem]:
    """See that nobody else reads or writes rows, and that nobody goes past row security.

    TRUNCATE, REFERENCES and TRIGGER are not bound by it.
    """
    roles = database.role_by_schema
    for grant in database.table_grants:
        is_right = (
            grant.grantee == roles.get(grant.schema)
            and grant.privilege in ROW_PRIVILEGES
            and grant.what != REVISION_TABLE
        )
        if not is_right:
            name = f"{grant.schema}.{grant.what}"
            what = f"{grant.grantee} has {grant.privilege} on {name}"
            yield error(what, f"REVOKE {grant.privilege} ON {name} FROM {grant.grantee};")


def schemas_are_open_to_their_role_only(database: ExaminedDatabase) -> Iterator[Problem]:
    """See that nobody else uses a schema, and that nobody makes anything in one."""
    roles = database.role_by_schema
    for grant in database.schema_grants:
        is_role = grant.grantee == roles.get(grant.schema)
        is_guest = grant.schema == GUARD_SCHEMA and grant.grantee in database.place.roles
        if grant.privilege != "USAGE" or not (is_role or is_guest):
            what = f"{grant.grantee} has {grant.privilege} on schema {grant.schema}"
            remedy = f"REVOKE {grant.privilege} ON SCHEMA {grant.schema} FROM {grant.grantee};"
            yield error(what, remedy)


def functions_are_called_by_their_roles_only(database: ExaminedDatabase) -> Iterator[Problem]:
    """See that only those whom the guard lets in call its functions, and nobody any other."""
    for grant in database.function_grants:
        if grant.schema != GUARD_SCHEMA or grant.grantee not in database.place.roles:
            what = f"{grant.grantee} may call {grant.schema}.{grant.what}"
            remedy = f"REVOKE ALL ON FUNCTION {grant.schema}.{grant.what} FROM {grant.grantee};"
            yield error(what, remedy)


def nothing_is_granted_beforehand(database: ExaminedDatabase) -> Iterator[Problem]:
    """Look for privileges on what is yet to be made."""
    rows = database.rows("SELECT DISTINCT pg_get_userbyid(defaclrole) FROM pg_default_acl")
    for (role,) in rows:
        what = f"default privileges are set for what {role} makes"
        yield error(what, f"ALTER DEFAULT PRIVILEGES FOR ROLE {role} REVOKE …;")


def everything_belongs_to_the_owner(database: ExaminedDatabase) -> Iterator[Problem]:
    """See that no role that logs in owns anything: owners go past grants."""
    owner = database.fleet.owner
    schemas = database.rows(
        "SELECT 'schema ' || nspname, pg_get_userbyid(nspowner) FROM pg_namespace"
        " WHERE nspname = ANY(%s)",
        sorted({*database.schemas, GUARD_SCHEMA}),
    )
    owned = [(relation.full_name, relation.owner) for relation in database.relations]
    owned += [(function.name, function.owner) for function in database.functions]
    for name, role in [*schemas, *owned]:
        if role != owner:
            yield error(f"{name} belongs to {role}", f"ALTER … {name} OWNER TO {owner};")


def views_see_as_their_caller(database: ExaminedDatabase) -> Iterator[Problem]:
    """Look for what shows rows without asking whose they are."""
    for relation in database.relations:
        kind = SHADOWS.get(relation.kind)
        if kind == "view" and SEES_AS_CALLER.intersection(relation.options):
            continue
        if kind is not None:
            what = f"the {kind} {relation.full_name} goes past row security"
            remedy = (
                f"ALTER VIEW {relation.full_name} SET (security_invoker = true);"
                if kind == "view"
                else f"Drop the {kind}."
            )
            yield error(what, remedy)


def children_are_reached_through_their_parents(database: ExaminedDatabase) -> Iterator[Problem]:
    """See that partitions have no privileges of their own: the parent's policy does not bind them.

    Where policies are on, that a child has them on is seen to with all tables.
    """
    children = {(r.schema, r.name) for r in database.relations if r.is_child}
    for grant in database.table_grants:
        if (grant.schema, grant.what.partition(".")[0]) in children:
            name = f"{grant.schema}.{grant.what}"
            what = f"{grant.grantee} may {grant.privilege} in {name} past its parent"
            yield error(what, f"REVOKE ALL ON {name} FROM {grant.grantee};")


def functions_of_the_owner_pin_their_search_path(database: ExaminedDatabase) -> Iterator[Problem]:
    """See that no caller chooses what a SECURITY DEFINER function means by a name."""
    for function in database.functions:
        is_pinned = any(setting.startswith("search_path=") for setting in function.settings)
        if function.runs_as_owner and not is_pinned:
            what = f"{function.name} runs as its owner with its caller's search_path"
            yield error(what, f"ALTER FUNCTION {function.name} SET search_path = pg_catalog;")


def languages_are_trusted(database: ExaminedDatabase) -> Iterator[Problem]:
    """Look for languages whose functions reach the server's files."""
    rows = database.rows(
        "SELECT lanname FROM pg_language"
        " WHERE NOT lanpltrusted AND lanname NOT IN ('c', 'internal')"
    )
    for (name,) in rows:
        yield error(f"the language {name} is untrusted", f"DROP EXTENSION {name};")


def there_are_no_extensions(database: ExaminedDatabase) -> Iterator[Problem]:
    """Look for extensions: none is needed, and some reach other databases or files."""
    for (name,) in database.rows("SELECT extname FROM pg_extension WHERE extname <> 'plpgsql'"):
        judge = error if name in RISKY_EXTENSIONS else warning
        yield judge(f"the extension {name} is there", f"DROP EXTENSION {name};")


def tables_are_at_the_head(database: ExaminedDatabase) -> Iterator[Problem]:
    """See that each schema is at the revision that this code needs."""
    head = head_of(TENANT_LINEAGE)
    there = {r.schema for r in database.relations if r.name == REVISION_TABLE}
    for schema in sorted(there & set(database.schemas)):
        table = sql.Identifier(schema, REVISION_TABLE).as_string(database.raw)
        revisions = [revision for (revision,) in database.rows(f"SELECT version_num FROM {table}")]
        if revisions != [head]:
            what = f"{schema} is at {', '.join(revisions) or 'no revision'}, not at {head}"
            yield error(what, "Run `flask db upgrade`.")


def every_schema_is_there(database: ExaminedDatabase) -> Iterator[Problem]:
    """Compare the catalog with the schemas there are, both ways."""
    there = {
        name
        for (name,) in database.rows(
            "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_'"
            " AND nspname <> 'information_schema'"
        )
    }
    wanted = {
        tenant.placement.schema
        for tenant in database.place.tenants
        if tenant.status != TenantStatus.PROVISIONING
    }
    for schema in sorted(wanted - there):
        yield error(f"the schema {schema} is missing", "Restore its tenant.")
    for schema in sorted(there - set(database.schemas) - {GUARD_SCHEMA}):
        yield warning(f"the schema {schema} is no tenant's", "See what is in it; then drop it.")


def the_guard_knows_what_the_catalog_knows(database: ExaminedDatabase) -> Iterator[Problem]:
    """Compare the database's own copy of placements with the catalog."""
    known = {
        tenant_id: (epoch, is_suspended)
        for tenant_id, epoch, is_suspended in database.rows(
            "SELECT tenant_id::text, epoch, is_suspended FROM trially.placement"
        )
    }
    for tenant in database.place.tenants:
        if tenant.status == TenantStatus.PROVISIONING:
            known.pop(str(tenant.id), None)
            continue
        wanted = (tenant.placement.epoch, tenant.status == TenantStatus.SUSPENDED)
        found = known.pop(str(tenant.id), None)
        if found != wanted:
            what = f"the guard has {tenant.slug} at {_told(found)}, the catalog at {_told(wanted)}"
            yield error(what, f"`flask tenants suspend {tenant.slug}`, then resume it.")
    for tenant_id in sorted(known):
        what = f"the guard lets in {tenant_id}, who does not live here"
        yield error(what, f"DELETE FROM trially.placement WHERE tenant_id = '{tenant_id}';")


def no_canary_is_left_over(database: ExaminedDatabase) -> Iterator[Problem]:
    """Look for canaries of runs that died: no run lasts a day."""
    there = {(r.schema, r.name) for r in database.relations}
    for schema in sorted(database.schemas):
        if (schema, "canary") in there and schema != BLANK_SCHEMA:
            table = sql.Identifier(schema, "canary").as_string(database.raw)
            [(count,)] = database.rows(
                f"SELECT count(*) FROM {table} WHERE planted_at < now() - interval '1 day'"
            )
            if count:
                yield warning(f"{count} old canaries in {schema}", "Run `flask tenants prove`.")


def _told(state: tuple[int, bool] | None) -> str:
    if state is None:
        return "no epoch"
    epoch, is_suspended = state
    return f"epoch {epoch}" + (", suspended" if is_suspended else "")


DATABASE_CHECKS: tuple[Check[ExaminedDatabase], ...] = (
    every_schema_is_there,
    tables_are_at_the_head,
    the_guard_knows_what_the_catalog_knows,
    every_table_has_a_tenant_id,
    every_table_has_its_one_policy,
    row_security_binds_everyone,
    every_table_is_held_to_its_tenant,
    unique_indexes_lead_with_tenant_id,
    tables_are_granted_to_their_role_only,
    schemas_are_open_to_their_role_only,
    functions_are_called_by_their_roles_only,
    nothing_is_granted_beforehand,
    everything_belongs_to_the_owner,
    views_see_as_their_caller,
    children_are_reached_through_their_parents,
    functions_of_the_owner_pin_their_search_path,
    languages_are_trusted,
    there_are_no_extensions,
    no_canary_is_left_over,
)
