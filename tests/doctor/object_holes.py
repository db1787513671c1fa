"""Holes in a tenants' database: objects that a new placement does not have."""

from holes import SCHEMAS, Hole

EXTRA_OBJECTS = [
    Hole("CREATE TABLE {schema}.loose (id int)", "unexpected table {schema}.loose"),
    Hole(
        "CREATE TABLE {schema}.part () INHERITS ({schema}.site)", "unexpected table {schema}.part"
    ),
    Hole(
        "CREATE VIEW {schema}.everyone AS SELECT * FROM {schema}.patient",
        "unexpected view {schema}.everyone",
    ),
    Hole(
        "CREATE MATERIALIZED VIEW {schema}.everyone AS SELECT * FROM {schema}.patient",
        "unexpected materialized view {schema}.everyone",
    ),
    Hole("CREATE SEQUENCE {schema}.loose", "unexpected sequence {schema}.loose"),
    Hole(
        "CREATE FUNCTION {schema}.loose() RETURNS int SECURITY DEFINER LANGUAGE sql AS 'SELECT 1'",
        "unexpected function {schema}.loose()",
    ),
    Hole(
        "CREATE FUNCTION trially.enter(uuid) RETURNS text LANGUAGE sql AS 'SELECT ''entered'''",
        "unexpected function trially.enter(",
    ),
    Hole(
        "CREATE PROCEDURE {schema}.loose() LANGUAGE sql AS 'SELECT 1'",
        "unexpected procedure {schema}.loose()",
    ),
    Hole(
        "CREATE AGGREGATE {schema}.loose(int) (SFUNC = int4pl, STYPE = int)",
        "unexpected aggregate {schema}.loose(",
    ),
    Hole("CREATE TYPE {schema}.loose AS ENUM ('a')", "unexpected type {schema}.loose"),
    Hole("CREATE DOMAIN {schema}.loose AS int", "unexpected type {schema}.loose"),
    Hole(
        "CREATE OPERATOR {schema}.=== (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = uuid_eq)",
        "unexpected operator {schema}.===",
    ),
    Hole(
        "CREATE OPERATOR CLASS {schema}.loose FOR TYPE uuid USING btree AS OPERATOR 1 <,"
        " OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,"
        " FUNCTION 1 uuid_cmp(uuid, uuid)",
        "unexpected operator family {schema}.loose USING btree",
    ),
    Hole(
        "CREATE CAST (text AS uuid) WITH INOUT AS IMPLICIT",
        "unexpected cast (pg_catalog.text AS pg_catalog.uuid)",
    ),
    Hole(
        "CREATE COLLATION {schema}.loose (provider = libc, locale = 'C')",
        "unexpected collation {schema}.loose",
    ),
    Hole(
        "CREATE TEXT SEARCH CONFIGURATION {schema}.loose (COPY = simple)",
        "unexpected text search configuration {schema}.loose",
    ),
    Hole(
        "CREATE TEXT SEARCH DICTIONARY {schema}.loose (TEMPLATE = simple)",
        "unexpected text search dictionary {schema}.loose",
    ),
    Hole(
        "CREATE STATISTICS {schema}.loose ON name, tenant_id FROM {schema}.site",
        "unexpected statistics object {schema}.loose",
    ),
    Hole(
        "CREATE CONVERSION {schema}.loose FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8",
        "unexpected conversion {schema}.loose",
    ),
    Hole("CREATE LANGUAGE loose HANDLER plpgsql_call_handler", "unexpected language loose"),
    Hole("CREATE EXTENSION dblink SCHEMA trially", "unexpected extension dblink"),
    Hole(
        "CREATE EXTENSION file_fdw SCHEMA trially;"
        "CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;"
        "CREATE USER MAPPING FOR PUBLIC SERVER files",
        "unexpected server files",
        "DROP EXTENSION file_fdw CASCADE",
    ),
    Hole(
        "CREATE FOREIGN DATA WRAPPER loose; CREATE SERVER away FOREIGN DATA WRAPPER loose;"
        "CREATE FOREIGN TABLE {schema}.away (id uuid) SERVER away",
        "unexpected foreign table {schema}.away",
        "DROP FOREIGN DATA WRAPPER loose CASCADE",
    ),
    Hole("CREATE FOREIGN DATA WRAPPER loose", "unexpected foreign-data wrapper loose"),
    Hole(
        "CREATE FUNCTION trially.watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
        "CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION trially.watch()",
        "unexpected event trigger watch",
        "DROP EVENT TRIGGER watch; DROP FUNCTION trially.watch()",
    ),
    Hole("CREATE PUBLICATION loose FOR ALL TABLES", "unexpected publication loose"),
    Hole("CREATE PUBLICATION loose FOR TABLE {schema}.patient", "unexpected publication loose"),
    Hole("CREATE PUBLICATION loose FOR TABLES IN SCHEMA {schema}", "unexpected publication loose"),
    Hole("SELECT lo_create(4242)", "unexpected large object 4242"),
    Hole(
        "CREATE SCHEMA t_000000000000; CREATE TABLE t_000000000000.stolen (id int)",
        "unexpected schema t_000000000000",
        "DROP SCHEMA t_000000000000 CASCADE",
    ),
    Hole(
        "CREATE SCHEMA public; CREATE FUNCTION public.loose() RETURNS int LANGUAGE sql"
        " AS 'SELECT 1'",
        "unexpected schema public",
        "DROP SCHEMA public CASCADE",
    ),
    Hole(
        "CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal))",
        "unexpected transform for integer",
        "DROP TRANSFORM FOR int LANGUAGE sql",
    ),
    Hole(
        "CREATE ACCESS METHOD loose TYPE INDEX HANDLER bthandler", "unexpected access method loose"
    ),
]

EXTRA_PARTS = [
    Hole(
        "CREATE FUNCTION {schema}.leak() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW;"
        " END'; CREATE TRIGGER leak AFTER INSERT ON {schema}.patient FOR EACH ROW"
        " EXECUTE FUNCTION {schema}.leak()",
        "unexpected trigger leak on {schema}.patient",
        "DROP FUNCTION {schema}.leak() CASCADE",
    ),
    Hole(
        "CREATE RULE leak AS ON INSERT TO {schema}.site DO INSTEAD NOTHING",
        "unexpected rule leak on {schema}.site",
    ),
    Hole(
        "CREATE RULE leak AS ON UPDATE TO {schema}.patient DO ALSO DELETE FROM {schema}.site",
        "unexpected rule leak on {schema}.patient",
    ),
    Hole(
        "CREATE POLICY wide ON {schema}.site TO PUBLIC USING (true)",
        "unexpected policy wide on {schema}.site",
    ),
    Hole(
        "CREATE POLICY narrow ON {schema}.site AS RESTRICTIVE USING (false)",
        "unexpected policy narrow on {schema}.site",
    ),
    Hole(
        "CREATE UNIQUE INDEX loose ON {schema}.site (name, tenant_id)",
        "unexpected index {schema}.loose",
    ),
    Hole(
        "CREATE INDEX loose ON {schema}.site (lower(name)) WHERE tenant_id IS NULL",
        "unexpected index {schema}.loose",
    ),
    Hole("ALTER TABLE {schema}.site ADD loose int", "unexpected table column {schema}.site.loose"),
    Hole(
        "ALTER TABLE {schema}.site ADD CONSTRAINT loose CHECK (name <> 'x') NOT VALID",
        "unexpected table constraint loose on {schema}.site",
    ),
    Hole(
        "ALTER TABLE {schema}.site ALTER tenant_id SET DEFAULT '{other_tenant_id}'",
        "unexpected default value for {schema}.site.tenant_id",
    ),
    Hole(
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO PUBLIC",
        "unexpected default acl",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} REVOKE SELECT ON TABLES FROM PUBLIC",
    ),
    Hole(
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT ALL ON TABLES TO {other_role}",
        "unexpected default acl for role {owner}",
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} REVOKE ALL ON TABLES FROM {other_role}",
    ),
    Hole(
        "CREATE RULE leak AS ON INSERT TO pg_settings DO INSTEAD NOTHING",
        "unexpected rule leak on pg_catalog.pg_settings",
    ),
    Hole(
        "CREATE RULE leak AS ON INSERT TO blank.site DO INSTEAD NOTHING",
        "unexpected rule leak on blank.site",
        at=SCHEMAS,
    ),
    Hole(
        "CREATE FUNCTION trially.leak() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW;"
        " END'; CREATE TRIGGER leak BEFORE UPDATE ON trially.placement FOR EACH ROW"
        " EXECUTE FUNCTION trially.leak()",
        "unexpected trigger leak on trially.placement",
        "DROP FUNCTION trially.leak() CASCADE",
    ),
    Hole(
        "INSERT INTO trially.blueprint SELECT 'CREATE TABLE loose (id int)'",
        "trially.blueprint differs",
        "DELETE FROM trially.blueprint WHERE ddl LIKE 'CREATE TABLE loose%'",
        SCHEMAS,
    ),
]
