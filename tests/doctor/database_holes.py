"""Holes in a tenants' database: in tables and privileges."""

from holes import Hole

POLICY = (
    "CREATE POLICY tenant_rows ON tenant.site TO PUBLIC"
    " USING (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
    " WITH CHECK (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
)

TABLES = [
    Hole(
        "every table has exactly its policy",
        "DROP POLICY tenant_rows ON tenant.site",
        POLICY,
        "pooled-one",
        "tenant.site has no policy",
    ),
    Hole(
        "every table has exactly its policy",
        "DROP POLICY tenant_rows ON {schema_one.schema}.site",
        POLICY.replace("tenant.site", "{schema_one.schema}.site"),
        "schema-one",
        "{schema_one.schema}.site has no policy",
    ),
    Hole(
        "every table has exactly its policy",
        "CREATE POLICY wide ON tenant.site TO PUBLIC USING (true)",
        "DROP POLICY wide ON tenant.site",
        "pooled-one",
        "the policy wide of tenant.site is unexpected",
    ),
    Hole(
        "every table has exactly its policy",
        "ALTER POLICY tenant_rows ON tenant.site TO {pooled_one.role}",
        "ALTER POLICY tenant_rows ON tenant.site TO PUBLIC",
        "pooled-one",
        "the policy tenant_rows of tenant.site is unexpected",
    ),
    Hole(
        "every table has exactly its policy",
        "ALTER POLICY tenant_rows ON tenant.site WITH CHECK (true)",
        POLICY.replace("CREATE", "ALTER"),
        "pooled-one",
        "the policy tenant_rows of tenant.site is unexpected",
    ),
    Hole(
        "row security is enabled and forced",
        "ALTER TABLE tenant.site NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE tenant.site FORCE ROW LEVEL SECURITY",
        "pooled-one",
        "row-level security of tenant.site is not forced",
    ),
    Hole(
        "row security is enabled and forced",
        "ALTER TABLE tenant.site DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE tenant.site ENABLE ROW LEVEL SECURITY",
        "pooled-one",
        "row-level security of tenant.site is not enabled",
    ),
    Hole(
        "every table has its tenant check",
        "ALTER TABLE tenant.site DROP CONSTRAINT ck_this_tenant",
        "ALTER TABLE tenant.site"
        " ADD CONSTRAINT ck_this_tenant CHECK (tenant_id = '{dedicated_one.tenant_id}')",
        "dedicated-one",
        "tenant.site has no valid ck_this_tenant",
    ),
    Hole(
        "every table has its tenant check",
        "ALTER TABLE {schema_one.schema}.site DROP CONSTRAINT ck_this_tenant;"
        "ALTER TABLE {schema_one.schema}.site"
        " ADD CONSTRAINT ck_this_tenant CHECK (tenant_id = '{schema_two.tenant_id}') NOT VALID",
        "ALTER TABLE {schema_one.schema}.site DROP CONSTRAINT ck_this_tenant;"
        "ALTER TABLE {schema_one.schema}.site"
        " ADD CONSTRAINT ck_this_tenant CHECK (tenant_id = '{schema_one.tenant_id}')",
        "schema-one",
        "{schema_one.schema}.site has no valid ck_this_tenant",
    ),
    Hole(
        "every table has a tenant id",
        "CREATE TABLE tenant.loose (id int)",
        "DROP TABLE tenant.loose",
        "pooled-one",
        "tenant.loose has no tenant_id",
    ),
    Hole(
        "unique indexes start with tenant id",
        "CREATE UNIQUE INDEX loose ON tenant.site (name, tenant_id)",
        "DROP INDEX tenant.loose",
        "pooled-one",
        "the unique index tenant.loose does not start",
    ),
    Hole(
        "every versioned table has its trigger",
        "DROP TRIGGER grow_version ON tenant.site",
        "CREATE TRIGGER grow_version BEFORE UPDATE ON tenant.site"
        " FOR EACH ROW EXECUTE FUNCTION tenant.grow_version()",
        "pooled-one",
        "tenant.site has no enabled trigger grow_version",
    ),
    Hole(
        "every versioned table has its trigger",
        "ALTER TABLE {schema_one.schema}.study DISABLE TRIGGER grow_version",
        "ALTER TABLE {schema_one.schema}.study ENABLE TRIGGER grow_version",
        "schema-one",
        "{schema_one.schema}.study has no enabled trigger grow_version",
    ),
    Hole(
        "every versioned table has its trigger",
        "CREATE OR REPLACE TRIGGER grow_version BEFORE UPDATE OF name ON tenant.site"
        " FOR EACH ROW EXECUTE FUNCTION tenant.grow_version()",
        "CREATE OR REPLACE TRIGGER grow_version BEFORE UPDATE ON tenant.site"
        " FOR EACH ROW EXECUTE FUNCTION tenant.grow_version()",
        "dedicated-one",
        "tenant.site has no enabled trigger grow_version",
    ),
]

PRIVILEGES = [
    Hole(
        "tables are granted to their role only",
        "GRANT TRUNCATE ON tenant.site TO {dedicated_one.role}",
        "REVOKE TRUNCATE ON tenant.site FROM {dedicated_one.role}",
        "dedicated-one",
        "{dedicated_one.role} has TRUNCATE on tenant.site",
    ),
    Hole(
        "tables are granted to their role only",
        "GRANT REFERENCES, TRIGGER ON tenant.site TO {pooled_one.role}",
        "REVOKE REFERENCES, TRIGGER ON tenant.site FROM {pooled_one.role}",
        "pooled-one",
        "{pooled_one.role} has TRIGGER on tenant.site",
    ),
    Hole(
        "tables are granted to their role only",
        "GRANT SELECT (name) ON tenant.site TO PUBLIC",
        "REVOKE SELECT (name) ON tenant.site FROM PUBLIC",
        "dedicated-one",
        "PUBLIC has SELECT on tenant.site.name",
    ),
    Hole(
        "tables are granted to their role only",
        "GRANT SELECT ON {schema_one.schema}.site TO {schema_two.role}",
        "REVOKE SELECT ON {schema_one.schema}.site FROM {schema_two.role}",
        "schema-one",
        "{schema_two.role} has SELECT on {schema_one.schema}.site",
    ),
    Hole(
        "tables are granted to their role only",
        "GRANT SELECT ON trially.placement TO {pooled_one.role}",
        "REVOKE SELECT ON trially.placement FROM {pooled_one.role}",
        "pooled-one",
        "{pooled_one.role} has SELECT on trially.placement",
    ),
    Hole(
        "schemas are granted to their role only",
        "GRANT USAGE ON SCHEMA {schema_one.schema} TO {schema_two.role}",
        "REVOKE USAGE ON SCHEMA {schema_one.schema} FROM {schema_two.role}",
        "schema-one",
        "{schema_two.role} has USAGE on schema {schema_one.schema}",
    ),
    Hole(
        "schemas are granted to their role only",
        "GRANT CREATE ON SCHEMA tenant TO PUBLIC",
        "REVOKE CREATE ON SCHEMA tenant FROM PUBLIC",
        "pooled-one",
        "PUBLIC has CREATE on schema tenant",
    ),
    Hole(
        "functions are granted to tenant roles only",
        "GRANT EXECUTE ON FUNCTION trially.analyze_tables() TO PUBLIC",
        "REVOKE EXECUTE ON FUNCTION trially.analyze_tables() FROM PUBLIC",
        "dedicated-one",
        "PUBLIC has EXECUTE on function trially.analyze_tables",
    ),
    Hole(
        "no default privileges are set",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA tenant GRANT SELECT ON TABLES TO PUBLIC",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA tenant REVOKE SELECT ON TABLES FROM PUBLIC",
        "dedicated-one",
        "default privileges are set",
    ),
    Hole(
        "child tables have no grants",
        "CREATE TABLE tenant.part () INHERITS (tenant.site);"
        "GRANT SELECT ON tenant.part TO {pooled_one.role}",
        "DROP TABLE tenant.part",
        "pooled-one",
        "{pooled_one.role} has SELECT on the child table tenant.part",
    ),
]
