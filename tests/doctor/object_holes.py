"""Holes in a tenants' database: objects that bypass its walls, and differences to the catalog."""

from holes import Hole

from trially.doctor.findings import Level

OBJECTS = [
    Hole(
        "every object belongs to the owner",
        "ALTER TABLE tenant.site OWNER TO CURRENT_USER",
        "ALTER TABLE tenant.site OWNER TO {catalog}_owner",
        "dedicated-one",
        "tenant.site belongs to postgres",
    ),
    Hole(
        "views have the privileges of their caller",
        "CREATE VIEW tenant.everyone AS SELECT * FROM tenant.site",
        "DROP VIEW tenant.everyone",
        "pooled-one",
        "the view tenant.everyone bypasses row-level security",
    ),
    Hole(
        "views have the privileges of their caller",
        "CREATE MATERIALIZED VIEW tenant.everyone AS SELECT * FROM tenant.site",
        "DROP MATERIALIZED VIEW tenant.everyone",
        "pooled-one",
        "the materialised view tenant.everyone bypasses row-level security",
    ),
    Hole(
        "security definer functions set search path",
        "CREATE FUNCTION trially.loose() RETURNS int SECURITY DEFINER LANGUAGE sql AS 'SELECT 1'",
        "DROP FUNCTION trially.loose()",
        "dedicated-one",
        "trially.loose is SECURITY DEFINER",
    ),
    Hole(
        "languages are trusted",
        "CREATE LANGUAGE loose HANDLER plpgsql_call_handler",
        "DROP LANGUAGE loose",
        "dedicated-one",
        "the language loose is untrusted",
    ),
    Hole(
        "no extension is installed",
        "CREATE EXTENSION dblink SCHEMA trially",
        "DROP EXTENSION dblink",
        "dedicated-one",
        "the extension dblink is installed",
    ),
]

CONSISTENCY = [
    Hole(
        "schemas are at the head revision",
        "UPDATE tenant.alembic_version SET version_num = '0' || version_num",
        "UPDATE tenant.alembic_version SET version_num = substr(version_num, 2)",
        "pooled-one",
        "tenant is at 0",
    ),
    Hole(
        "schemas are at the head revision",
        "DELETE FROM blank.alembic_version",
        "INSERT INTO blank.alembic_version SELECT * FROM {schema_one.schema}.alembic_version",
        "schema-one",
        "blank is at no revision",
    ),
    Hole(
        "schemas match the catalog",
        "CREATE SCHEMA t_000000000000",
        "DROP SCHEMA t_000000000000",
        "schema-one",
        "no tenant is placed in the schema t_000000000000",
        Level.WARNING,
    ),
    Hole(
        "schemas match the catalog",
        "ALTER SCHEMA {schema_two.schema} RENAME TO t_000000000000",
        "ALTER SCHEMA t_000000000000 RENAME TO {schema_two.schema}",
        "schema-two",
        "the schema {schema_two.schema} is missing",
    ),
    Hole(
        "guard placements match the catalog",
        "UPDATE trially.placement SET epoch = epoch + 1 WHERE tenant_id = '{pooled_one.tenant_id}'",
        "UPDATE trially.placement SET epoch = epoch - 1 WHERE tenant_id = '{pooled_one.tenant_id}'",
        "pooled-one",
        "the guard has pooled-one at epoch ",
    ),
    Hole(
        "guard placements match the catalog",
        "UPDATE trially.placement SET is_suspended = true",
        "UPDATE trially.placement SET is_suspended = false",
        "dedicated-one",
        ", suspended, the catalog at epoch ",
    ),
    Hole(
        "guard placements match the catalog",
        "INSERT INTO trially.placement VALUES ('00000000-0000-0000-0000-000000000000', 1)",
        "DELETE FROM trially.placement WHERE tenant_id = '00000000-0000-0000-0000-000000000000'",
        "dedicated-one",
        "which the catalog places elsewhere",
    ),
    Hole(
        "no old canary remains",
        "INSERT INTO tenant.canary (tenant_id, id, run_id, word, planted_at) VALUES"
        " ('{pooled_one.tenant_id}', gen_random_uuid(), gen_random_uuid(), 'old',"
        " now() - interval '2 days')",
        "DELETE FROM tenant.canary",
        "pooled-one",
        "1 canaries in tenant are older",
        Level.WARNING,
    ),
]
