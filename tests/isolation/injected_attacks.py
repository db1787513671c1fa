"""Injected SQL that reads or writes rows, or changes the walls.

The SQL runs in the session of the attacker's own tenant. `{attacker}` is the id of that tenant, and
`{victim}` that of the other tenant. `{login}` and `{their_login}` are their login roles, `{role}`
and `{their_role}` the roles of their transactions.
"""

from walls import FOREIGN, HIDDEN, REFUSED, Attack, Wall, by_tier, everywhere

_COUNT = "SELECT count(*) FROM {their_schema}.site WHERE tenant_id = '{victim}'"
_COUNT_HERE = "SELECT count(*) FROM site WHERE tenant_id = '{victim}'"

INJECTED_TO_READ = (
    Attack("names the other tenant's schema", FOREIGN, _COUNT),
    Attack("changes search_path", FOREIGN, "SET search_path = {their_schema};" + _COUNT_HERE),
    Attack(
        "sets trially.tenant_id to the other tenant",
        by_tier(Wall.OWN_DATABASE, Wall.OWN_SCHEMA, Wall.LIMIT),
        "SELECT set_config('trially.tenant_id', '{victim}', true);" + _COUNT_HERE,
        limit="The policies trust a setting of the transaction, and any SQL can change it.",
    ),
    Attack(
        "sets the other tenant's role",
        by_tier(Wall.ROLE, Wall.LIMIT, Wall.POLICY),
        "SELECT set_config('role', '{their_role}', true);" + _COUNT,
        limit="The login role is a member of each tenant's role, so that one engine serves all.",
    ),
    Attack("resets its role", FOREIGN, "RESET ROLE;" + _COUNT),
    Attack("sets the owner's role", everywhere(Wall.ROLE), "SET ROLE trially_catalog_owner"),
    Attack(
        "sets the other tenant's session authorization",
        by_tier(Wall.ROLE, Wall.ROLE, Wall.POLICY),
        "SET SESSION AUTHORIZATION {their_role};" + _COUNT,
    ),
    Attack(
        "turns row security off for its session", HIDDEN, "SET row_security = off;" + _COUNT_HERE
    ),
    Attack(
        "filters with an expression that fails on visible rows",
        HIDDEN,
        "SELECT count(*) FROM site"
        " WHERE tenant_id = '{victim}' AND 1 / (length(name) - length(name)) = 1",
    ),
    Attack(
        "reads a row through an ON CONFLICT error (CVE-2026-120154)",
        REFUSED,
        "INSERT INTO study (tenant_id, id, protocol_number, title)"
        " VALUES ('{victim}', gen_random_uuid(), 'P-0', 'X')"
        " ON CONFLICT (tenant_id, protocol_number) DO UPDATE SET title = 'X'"
        " WHERE study.title::int = 1",
    ),
    Attack(
        "drops the policy with DROP OWNED (CVE-2026-116311)",
        everywhere(Wall.POLICY),
        "DROP OWNED BY CURRENT_USER; SELECT count(*) = 0 FROM pg_policy"
        " JOIN pg_class ON pg_class.oid = polrelid WHERE relname = 'site'",
        hides=Wall.POLICY,
    ),
    Attack(
        "reads the other tenant's values in pg_stats",
        HIDDEN,
        "SELECT count(*) FROM pg_stats WHERE most_common_vals::text LIKE '%{canary}%'"
        " OR histogram_bounds::text LIKE '%{canary}%'",
    ),
    Attack("copies a table out, and the other tenant's row in", HIDDEN),
    Attack(
        "reads the guard's table of placements",
        everywhere(Wall.PRIVILEGES),
        "TABLE trially.placement",
    ),
    Attack("reads password verifiers", everywhere(Wall.PRIVILEGES), "TABLE pg_authid"),
    Attack(
        "reads a file on the server",
        everywhere(Wall.PRIVILEGES),
        "SELECT pg_read_file('postgresql.conf')",
    ),
    Attack("runs a program", everywhere(Wall.PRIVILEGES), "COPY site TO PROGRAM 'cat'"),
    Attack("loads a file with COPY", everywhere(Wall.PRIVILEGES), "COPY site FROM '/etc/passwd'"),
    Attack(
        "imports a file as a large object",
        everywhere(Wall.PRIVILEGES),
        "SELECT lo_import('/etc/passwd')",
    ),
    Attack(
        "connects with dblink",
        everywhere(Wall.ABSENT),
        "SELECT dblink('dbname=postgres', 'SELECT 1')",
    ),
    Attack("installs dblink", everywhere(Wall.PRIVILEGES), "CREATE EXTENSION dblink"),
    Attack(
        "creates a replication slot",
        everywhere(Wall.PRIVILEGES),
        "SELECT pg_create_logical_replication_slot('mine', 'pgoutput')",
    ),
)

INJECTED_TO_WRITE = (
    Attack(
        "inserts a row with the other tenant's id",
        REFUSED,
        "INSERT INTO site (tenant_id, id, name) VALUES ('{victim}', gen_random_uuid(), 'X')",
    ),
    Attack(
        "inserts a row into the other tenant's schema",
        by_tier(Wall.CHECK, Wall.USAGE, Wall.POLICY),
        "INSERT INTO {their_schema}.site (tenant_id, id, name)"
        " VALUES ('{victim}', gen_random_uuid(), 'X')",
    ),
    Attack(
        "moves its own row to the other tenant",
        REFUSED,
        "UPDATE import_job SET tenant_id = '{victim}'",
    ),
    Attack(
        "updates the other tenant's rows",
        HIDDEN,
        "WITH changed AS (UPDATE site SET city = 'X' WHERE tenant_id = '{victim}' RETURNING 1)"
        " SELECT count(*) FROM changed",
    ),
    Attack(
        "deletes the other tenant's rows",
        HIDDEN,
        "WITH gone AS (DELETE FROM member_site WHERE tenant_id = '{victim}' RETURNING 1)"
        ", gone_too AS (DELETE FROM import_fault WHERE tenant_id = '{victim}' RETURNING 1)"
        " SELECT count(*) FROM gone_too",
    ),
    Attack("truncates a table", everywhere(Wall.PRIVILEGES), "TRUNCATE site CASCADE"),
    Attack(
        "truncates the other tenant's table",
        by_tier(Wall.PRIVILEGES, Wall.USAGE, Wall.PRIVILEGES),
        "TRUNCATE {their_schema}.site CASCADE",
    ),
    Attack(
        "references the other tenant's row",
        everywhere(Wall.KEY),
        "INSERT INTO patient (tenant_id, id, source_id, mrn, site_id)"
        " VALUES ('{attacker}', gen_random_uuid(), 'X', 'X', '{their_site}')",
    ),
    Attack(
        "updates the guard's epochs",
        everywhere(Wall.PRIVILEGES),
        "UPDATE trially.placement SET epoch = 99",
    ),
)

INJECTED_TO_CHANGE_WALLS = tuple(
    Attack(name, everywhere(wall), sql)
    for name, wall, sql in (
        (
            "creates a temporary table that shadows one",
            Wall.PRIVILEGES,
            "CREATE TEMP TABLE patient (id int)",
        ),
        (
            "creates a temporary function",
            Wall.PRIVILEGES,
            "CREATE FUNCTION pg_temp.leak() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        ),
        ("creates a table", Wall.PRIVILEGES, "CREATE TABLE {schema}.mine (id int)"),
        ("creates a view", Wall.PRIVILEGES, "CREATE VIEW {schema}.mine AS SELECT * FROM site"),
        (
            "creates a function",
            Wall.PRIVILEGES,
            "CREATE FUNCTION {schema}.leak() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        ),
        ("creates a schema", Wall.PRIVILEGES, "CREATE SCHEMA mine"),
        ("creates a role", Wall.PRIVILEGES, "CREATE ROLE mine"),
        ("drops the policy", Wall.PRIVILEGES, "DROP POLICY tenant_rows ON site"),
        (
            "creates a policy",
            Wall.PRIVILEGES,
            "CREATE POLICY mine ON site USING (true)",
        ),
        (
            "disables row security on a table",
            Wall.PRIVILEGES,
            "ALTER TABLE site DISABLE ROW LEVEL SECURITY",
        ),
        (
            "drops the CHECK",
            Wall.PRIVILEGES,
            "ALTER TABLE site DROP CONSTRAINT IF EXISTS ck_this_tenant",
        ),
        (
            "disables triggers and foreign keys",
            Wall.PRIVILEGES,
            "SET session_replication_role = replica",
        ),
        (
            "gives its login role SUPERUSER",
            Wall.PRIVILEGES,
            "RESET ROLE; ALTER ROLE {login} SUPERUSER",
        ),
        (
            "gives its login role BYPASSRLS",
            Wall.PRIVILEGES,
            "RESET ROLE; ALTER ROLE {login} BYPASSRLS",
        ),
        (
            "grants the owner's role to its login role",
            Wall.PRIVILEGES,
            "GRANT trially_catalog_owner TO {login}",
        ),
        (
            "reassigns the owner's objects to itself",
            Wall.PRIVILEGES,
            "REASSIGN OWNED BY trially_catalog_owner TO CURRENT_USER",
        ),
    )
)
