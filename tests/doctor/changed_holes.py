"""Holes in a tenants' database: objects that differ from those of a new placement, or are gone."""

from holes import EACH_TIER, POOLED, SCHEMAS, Hole

from trially.doctor.findings import Level

CONDITION = "(tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
POLICY = (
    f"POLICY tenant_rows ON {{schema}}.site TO PUBLIC USING ({CONDITION}) WITH CHECK ({CONDITION})"
)
NOT_POOLED = ("dedicated-one", "schema-one")

POLICIES = [
    Hole("DROP POLICY tenant_rows ON {schema}.site", "missing policy tenant_rows on {schema}.site"),
    Hole(
        "ALTER POLICY tenant_rows ON {schema}.site USING (true)",
        "policy tenant_rows on {schema}.site differs",
        f"ALTER {POLICY}",
    ),
    Hole(
        "ALTER POLICY tenant_rows ON {schema}.site WITH CHECK (true)",
        "policy tenant_rows on {schema}.site differs: polwithcheck",
    ),
    Hole(
        "ALTER POLICY tenant_rows ON {schema}.site TO {role}",
        "policy tenant_rows on {schema}.site differs: polroles",
    ),
    Hole(
        "ALTER POLICY tenant_rows ON {schema}.site RENAME TO other",
        "unexpected policy other on {schema}.site",
        "ALTER POLICY other ON {schema}.site RENAME TO tenant_rows",
    ),
    Hole(
        "ALTER TABLE {schema}.patient NO FORCE ROW LEVEL SECURITY",
        "row-level security of table {schema}.patient is not forced",
        at=POOLED,
    ),
    Hole(
        "ALTER TABLE {schema}.patient DISABLE ROW LEVEL SECURITY",
        "row-level security of table {schema}.patient is not enabled",
        at=POOLED,
    ),
    Hole(
        "ALTER TABLE {schema}.site ENABLE ROW LEVEL SECURITY",
        "row-level security of table {schema}.site is enabled",
        at=NOT_POOLED,
    ),
]

CONSTRAINTS = [
    Hole(
        "ALTER TABLE {schema}.site DROP CONSTRAINT ck_this_tenant",
        "missing table constraint ck_this_tenant on {schema}.site",
        at=NOT_POOLED,
    ),
    Hole(
        "ALTER TABLE {schema}.patient DROP CONSTRAINT ck_this_tenant; ALTER TABLE {schema}.patient"
        " ADD CONSTRAINT ck_this_tenant CHECK (tenant_id = '{other_tenant_id}') NOT VALID",
        "table constraint ck_this_tenant on {schema}.patient differs: definition",
        at=NOT_POOLED,
    ),
    Hole(
        "ALTER TABLE {schema}.patient DROP CONSTRAINT ck_this_tenant; ALTER TABLE {schema}.patient"
        " ADD CONSTRAINT ck_this_tenant CHECK (tenant_id = '{tenant_id}') NOT VALID",
        "table constraint ck_this_tenant on {schema}.patient is not validated",
        at=NOT_POOLED,
    ),
    Hole(
        "ALTER TABLE {schema}.member_site DROP CONSTRAINT fk_member_site_tenant_id_site_id_site",
        "missing table constraint fk_member_site_tenant_id_site_id_site on {schema}.member_site",
    ),
    Hole(
        "ALTER TABLE {schema}.member_site"
        " ALTER CONSTRAINT fk_member_site_tenant_id_site_id_site DEFERRABLE INITIALLY DEFERRED",
        "fk_member_site_tenant_id_site_id_site on {schema}.member_site differs: condeferrable",
        "ALTER TABLE {schema}.member_site"
        " ALTER CONSTRAINT fk_member_site_tenant_id_site_id_site NOT DEFERRABLE",
    ),
    Hole(
        "ALTER TABLE {schema}.canary DROP CONSTRAINT pk_canary",
        "missing table constraint pk_canary on {schema}.canary",
    ),
    Hole(
        "ALTER TABLE {schema}.site ALTER name DROP NOT NULL",
        "{schema}.site.name differs: attnotnull",
        "ALTER TABLE {schema}.site ALTER name SET NOT NULL",
    ),
    Hole(
        "DROP INDEX {schema}.ix_clinical_fact_coded",
        "missing index {schema}.ix_clinical_fact_coded",
    ),
    Hole(
        "UPDATE pg_index SET indisvalid = false"
        " WHERE indexrelid = '{schema}.ix_clinical_fact_coded'::regclass",
        "index {schema}.ix_clinical_fact_coded differs: indisvalid is false",
    ),
    Hole(
        "UPDATE pg_index SET indisunique = false WHERE indexrelid = '{schema}.pk_canary'::regclass",
        "index {schema}.pk_canary differs: indisunique is false",
        "UPDATE pg_index SET indisunique = true WHERE indexrelid = '{schema}.pk_canary'::regclass",
    ),
]

TABLES = [
    Hole("ALTER TABLE {schema}.canary SET UNLOGGED", "table {schema}.canary is unlogged"),
    Hole(
        "ALTER TABLE {schema}.site ALTER version SET DEFAULT 7",
        "default value for {schema}.site.version differs: adbin",
    ),
    Hole(
        "ALTER TABLE {schema}.site ALTER created_at DROP DEFAULT",
        "missing default value for {schema}.site.created_at",
    ),
    Hole(
        "ALTER TABLE {schema}.site ALTER name TYPE text",
        'table column {schema}.site.name differs: atttypid is "text"',
        "ALTER TABLE {schema}.site ALTER name TYPE varchar(200)",
    ),
    Hole(
        "ALTER TABLE {schema}.site REPLICA IDENTITY FULL",
        "table {schema}.site differs: relreplident",
        "ALTER TABLE {schema}.site REPLICA IDENTITY DEFAULT",
    ),
    Hole(
        "ALTER TABLE {schema}.site SET (autovacuum_enabled = false)",
        "table {schema}.site differs: reloptions",
        "ALTER TABLE {schema}.site RESET (autovacuum_enabled)",
    ),
    Hole(
        "CREATE TABLE {schema}.parent (tenant_id uuid NOT NULL);"
        "ALTER TABLE {schema}.canary INHERIT {schema}.parent",
        "table {schema}.canary differs: pg_inherits",
        "ALTER TABLE {schema}.canary NO INHERIT {schema}.parent; DROP TABLE {schema}.parent",
    ),
    Hole(
        "ALTER TABLE {schema}.site OWNER TO CURRENT_USER",
        "table {schema}.site belongs to postgres",
    ),
    Hole(
        "ALTER TABLE {schema}.site OWNER TO {role}",
        "table {schema}.site belongs to {role}",
        "ALTER TABLE {schema}.site OWNER TO {owner}; GRANT ALL ON {schema}.site TO {owner};"
        "GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.site TO {role}",
    ),
    Hole("ALTER SCHEMA {schema} OWNER TO CURRENT_USER", "schema {schema} belongs to postgres"),
    Hole(
        "ALTER TABLE {schema}.canary RENAME TO canaries",
        "missing table {schema}.canary",
        "ALTER TABLE {schema}.canaries RENAME TO canary",
    ),
]

FUNCTIONS = [
    Hole(
        "CREATE OR REPLACE FUNCTION trially.enter(asked uuid, known_epoch bigint) RETURNS text"
        " LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp"
        " AS $$BEGIN RETURN 'entered'; END$$",
        "function trially.enter(",
    ),
    Hole(
        "ALTER FUNCTION trially.enter(uuid, bigint) STABLE",
        'differs: provolatile is "s", not "v"',
    ),
    Hole(
        "ALTER FUNCTION trially.enter(uuid, bigint) RESET search_path",
        "differs: proconfig is null",
    ),
    Hole(
        "ALTER FUNCTION trially.analyze_tables() SECURITY INVOKER",
        "function trially.analyze_tables() differs: prosecdef is false",
    ),
    Hole(
        "ALTER FUNCTION trially.analyze_tables() OWNER TO CURRENT_USER",
        "function trially.analyze_tables() belongs to postgres",
    ),
    Hole(
        "ALTER FUNCTION {schema}.grow_version() SECURITY DEFINER",
        "function {schema}.grow_version() differs: prosecdef is true",
    ),
    Hole(
        "ALTER TABLE {schema}.site DISABLE TRIGGER grow_version",
        "trigger grow_version on {schema}.site is disabled",
    ),
    Hole(
        "ALTER TABLE {schema}.study ENABLE REPLICA TRIGGER grow_version",
        "trigger grow_version on {schema}.study is enabled on replicas only",
    ),
    Hole(
        "ALTER TABLE {schema}.member_site DISABLE TRIGGER ALL",
        "of fk_member_site_tenant_id_site_id_site on {schema}.member_site is disabled",
    ),
    Hole(
        "DROP TRIGGER grow_version ON {schema}.site",
        "missing trigger grow_version on {schema}.site",
    ),
    Hole(
        "CREATE OR REPLACE TRIGGER grow_version BEFORE UPDATE OF name ON {schema}.site"
        " FOR EACH ROW EXECUTE FUNCTION {schema}.grow_version()",
        "trigger grow_version on {schema}.site differs: ",
    ),
    Hole(
        "ALTER FUNCTION pg_catalog.pg_read_file(text) SECURITY DEFINER",
        "function pg_catalog.pg_read_file(pg_catalog.text) differs: prosecdef is true",
        "ALTER FUNCTION pg_catalog.pg_read_file(text) SECURITY INVOKER",
    ),
]

AUDIT = [
    Hole(
        "GRANT UPDATE ON {schema}.audit_record TO {role}",
        "{role} has UPDATE on table {schema}.audit_record",
    ),
    Hole(
        "GRANT DELETE ON {schema}.audit_form TO {role}",
        "{role} has DELETE on table {schema}.audit_form",
    ),
    Hole(
        "GRANT SELECT ON {schema}.audit_record_other TO {role}",
        "{role} has SELECT on table {schema}.audit_record_other",
    ),
    Hole(
        "DROP TRIGGER refuse_change ON {schema}.audit_record",
        "missing trigger refuse_change on {schema}.audit_record",
    ),
    Hole(
        "ALTER TABLE {schema}.audit_form DISABLE TRIGGER refuse_change",
        "trigger refuse_change on {schema}.audit_form is disabled",
    ),
    Hole(
        "DROP TRIGGER refuse_change_all ON {schema}.audit_record_other",
        "missing trigger refuse_change_all on {schema}.audit_record_other",
    ),
    Hole(
        "CREATE OR REPLACE FUNCTION {schema}.refuse_change() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN new; END'",
        "function {schema}.refuse_change() differs",
    ),
]

PRIVILEGES = [
    Hole("GRANT TRUNCATE ON {schema}.site TO {role}", "{role} has TRUNCATE on table {schema}.site"),
    Hole(
        "GRANT REFERENCES, TRIGGER ON {schema}.site TO {role}",
        "{role} has REFERENCES, TRIGGER on table {schema}.site",
    ),
    Hole(
        "GRANT SELECT ON {schema}.patient TO {other_role}",
        "{other_role} has SELECT on table {schema}.patient",
        at=NOT_POOLED,
    ),
    Hole(
        "GRANT SELECT ON {schema}.patient TO PUBLIC",
        "PUBLIC has SELECT on table {schema}.patient",
    ),
    Hole(
        "GRANT INSERT ON {schema}.site TO {role} WITH GRANT OPTION",
        "{role} has INSERT WITH GRANT OPTION on table {schema}.site",
        "REVOKE GRANT OPTION FOR INSERT ON {schema}.site FROM {role}",
    ),
    Hole(
        "GRANT SELECT (name) ON {schema}.site TO PUBLIC",
        "PUBLIC has SELECT on table column {schema}.site.name",
    ),
    Hole(
        "GRANT SELECT (xmin) ON {schema}.site TO PUBLIC",
        "PUBLIC has SELECT on table column {schema}.site.xmin",
    ),
    Hole(
        "GRANT SELECT ON {schema}.alembic_version TO {role}",
        "{role} has SELECT on table {schema}.alembic_version",
    ),
    Hole(
        "GRANT SELECT ON trially.placement TO {role}",
        "{role} has SELECT on table trially.placement",
    ),
    Hole(
        "REVOKE DELETE ON {schema}.site FROM {role}", "{role} lacks DELETE on table {schema}.site"
    ),
    Hole(
        "REVOKE EXECUTE ON FUNCTION trially.enter(uuid, bigint) FROM {role}",
        "{role} lacks EXECUTE on function trially.enter(",
    ),
    Hole("REVOKE USAGE ON SCHEMA {schema} FROM {role}", "{role} lacks USAGE on schema {schema}"),
    Hole("GRANT CREATE ON SCHEMA {schema} TO PUBLIC", "PUBLIC has CREATE on schema {schema}"),
    Hole("GRANT CREATE ON SCHEMA trially TO {role}", "{role} has CREATE on schema trially"),
    Hole(
        "GRANT USAGE ON SCHEMA {schema} TO {other_role}",
        "{other_role} has USAGE on schema {schema}",
        at=NOT_POOLED,
    ),
    Hole("GRANT CREATE ON SCHEMA pg_catalog TO {role}", "{role} has CREATE on schema pg_catalog"),
    Hole("GRANT USAGE ON SCHEMA pg_toast TO PUBLIC", "PUBLIC has USAGE on schema pg_toast"),
    Hole(
        "GRANT EXECUTE ON FUNCTION trially.analyze_tables() TO PUBLIC",
        "PUBLIC has EXECUTE on function trially.analyze_tables()",
    ),
    Hole(
        "GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) TO {role}",
        "{role} has EXECUTE on function pg_catalog.pg_read_file(",
    ),
    Hole(
        "GRANT SELECT ON pg_catalog.pg_authid TO {role}",
        "{role} has SELECT on table pg_catalog.pg_authid",
    ),
    Hole(
        "GRANT SELECT ON pg_catalog.pg_statistic TO PUBLIC",
        "PUBLIC has SELECT on table pg_catalog.pg_statistic",
    ),
    Hole(
        "GRANT USAGE ON TYPE pg_catalog.int4 TO {role}",
        "{role} has USAGE on type",
        "REVOKE USAGE ON TYPE pg_catalog.int4 FROM {role}",
    ),
    Hole("REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC", "PUBLIC lacks USAGE on language plpgsql"),
]

CONSISTENCY = [
    Hole(
        "UPDATE {schema}.alembic_version SET version_num = '0' || version_num",
        "{schema} is at 0",
        "UPDATE {schema}.alembic_version SET version_num = substr(version_num, 2)",
    ),
    Hole(
        "DELETE FROM blank.alembic_version",
        "blank is at no revision",
        "INSERT INTO blank.alembic_version SELECT * FROM {schema}.alembic_version",
        SCHEMAS,
    ),
    Hole(
        "CREATE SCHEMA t_000000000000",
        "no tenant is placed in the schema t_000000000000",
        "DROP SCHEMA t_000000000000",
        EACH_TIER,
        Level.WARNING,
    ),
    Hole(
        "ALTER SCHEMA {schema} RENAME TO t_000000000000",
        "the schema {schema} is missing",
        "ALTER SCHEMA t_000000000000 RENAME TO {schema}",
    ),
    Hole(
        "UPDATE trially.placement SET epoch = epoch + 1 WHERE tenant_id = '{tenant_id}'",
        "the guard has {slug} at epoch ",
        "UPDATE trially.placement SET epoch = epoch - 1 WHERE tenant_id = '{tenant_id}'",
    ),
    Hole(
        "UPDATE trially.placement SET is_suspended = true",
        ", suspended, the catalog at epoch ",
        "UPDATE trially.placement SET is_suspended = false",
    ),
    Hole(
        "INSERT INTO trially.placement VALUES ('00000000-0000-0000-0000-000000000000', 1)",
        "which the catalog places elsewhere",
    ),
    Hole(
        "INSERT INTO {schema}.canary (tenant_id, id, run_id, word, planted_at) VALUES"
        " ('{tenant_id}', gen_random_uuid(), gen_random_uuid(), 'old',"
        " now() - interval '2 days')",
        "1 canaries in {schema} are older",
        "DELETE FROM {schema}.canary",
        EACH_TIER,
        Level.WARNING,
    ),
    Hole(
        "INSERT INTO {schema}.audit_record (tenant_id, id, form_id, epoch, outcome, at) VALUES"
        " ('{tenant_id}', gen_random_uuid(), gen_random_uuid(), 0, 0, '2026-02-03 04:05Z')",
        "the audit records since 2026-02-03 04:05 UTC have no seal",
        "SET session_replication_role = replica; DELETE FROM {schema}.audit_record"
        " WHERE at = '2026-02-03 04:05Z'; RESET session_replication_role",
        EACH_TIER,
        Level.WARNING,
    ),
]
