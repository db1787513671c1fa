"""Every attack by one tenant on another, and the wall that is expected to hold in each tier.

In SQL, `{ours}` is the attacker's tenant and `{theirs}` the other; `{login}` and `{their_login}`
are their login roles, `{role}` and `{their_role}` those of their transactions.
"""

from collections.abc import Mapping

from walls import FOREIGN, HIDDEN, REFUSED, Attack, Wall, by_tier, everywhere

_COUNT = "SELECT count(*) FROM {their_schema}.site WHERE tenant_id = '{theirs}'"
_COUNT_HERE = "SELECT count(*) FROM site WHERE tenant_id = '{theirs}'"
_SHARED_LOGIN = (
    "All tenants of a shared database have one login role, and PostgreSQL lets every role {may}. "
    "What is injected can so keep all of them out until an operator repairs it; it shows no row."
)

OVER_HTTP = (
    Attack("names another tenant in a header", everywhere(Wall.TOKEN)),
    Attack("brings a token for a tenant that is not theirs", everywhere(Wall.MEMBERSHIP)),
    Attack("walks through slugs without a token", everywhere(Wall.TOKEN)),
    Attack("asks a route for what is another tenant's", everywhere(Wall.FILTER)),
    Attack("sends another tenant's id in a body or query", everywhere(Wall.CONTRACT)),
    Attack("replays another tenant's cursor", everywhere(Wall.SIGNATURE)),
    Attack("uses another tenant's Idempotency-Key", everywhere(Wall.KEY)),
    Attack("uploads what another tenant has uploaded", everywhere(Wall.FILTER)),
    Attack("has other rights in another tenant under the same name", everywhere(Wall.MEMBERSHIP)),
    Attack("looks for names in the answers to errors", everywhere(Wall.OPAQUE)),
)

SLIPS = (
    Attack("asks the database without a tenant", everywhere(Wall.CONTEXT)),
    Attack("asks in a thread of its own", everywhere(Wall.CONTEXT)),
    Attack("takes a session into another tenant's context", everywhere(Wall.SESSION)),
    Attack("takes an object into another tenant's context", everywhere(Wall.SESSION)),
    Attack("takes a connection into another tenant's context", everywhere(Wall.SESSION)),
    Attack("hands a session to a thread of another tenant", everywhere(Wall.SESSION)),
    Attack("streams a body on while another tenant is served", everywhere(Wall.SESSION)),
    Attack("reads a cursor on while another tenant is served", everywhere(Wall.SESSION)),
    Attack("serves tenants in turn on one thread", everywhere(Wall.OPENING), is_pooled=True),
    Attack("serves tenants at once", everywhere(Wall.OPENING), is_pooled=True),
    Attack("leaves something on a connection", everywhere(Wall.CLEANING), is_pooled=True),
    Attack("goes on with a placement that is stale", everywhere(Wall.GUARD), is_pooled=True),
    Attack("goes on with a tenant that is suspended", everywhere(Wall.GUARD), is_pooled=True),
    Attack("remembers a member of another tenant", everywhere(Wall.KEY)),
)

ONE_WALL_GONE = (
    Attack("the application's filter", HIDDEN, is_pooled=True),
    Attack("the policy", HIDDEN),
    Attack("row security and CHECK, with a row of another's planted", everywhere(Wall.FILTER)),
    Attack("the setting: none, empty, or not an id", HIDDEN),
)

INJECTED_TO_READ = (
    Attack("names the other's schema", FOREIGN, _COUNT),
    Attack("changes search_path", FOREIGN, "SET search_path = {their_schema};" + _COUNT_HERE),
    Attack(
        "says that it is the other",
        by_tier(Wall.OWN_DATABASE, Wall.OWN_SCHEMA, Wall.LIMIT),
        "SELECT set_config('trially.tenant_id', '{theirs}', true);" + _COUNT_HERE,
        limit="The policies believe the transaction's setting, and whoever can run SQL can set it.",
    ),
    Attack(
        "takes on the other's role",
        by_tier(Wall.ROLE, Wall.LIMIT, Wall.POLICY),
        "SELECT set_config('role', '{their_role}', true);" + _COUNT,
        limit="The login role is a member of each tenant's role, so that one engine serves all.",
    ),
    Attack("lays its role down", FOREIGN, "RESET ROLE;" + _COUNT),
    Attack("takes on the owner's role", everywhere(Wall.ROLE), "SET ROLE trially_catalog_owner"),
    Attack(
        "takes on the other's authorization",
        by_tier(Wall.ROLE, Wall.ROLE, Wall.POLICY),
        "SET SESSION AUTHORIZATION {their_role};" + _COUNT,
    ),
    Attack("switches row security off for itself", HIDDEN, "SET row_security = off;" + _COUNT_HERE),
    Attack(
        "asks in a function that fails on the rows it sees",
        HIDDEN,
        "SELECT count(*) FROM site"
        " WHERE tenant_id = '{theirs}' AND 1 / (length(name) - length(name)) = 1",
    ),
    Attack(
        "reads by the error of an ON CONFLICT (CVE-2026-120154)",
        REFUSED,
        "INSERT INTO study (tenant_id, id, protocol_number, title)"
        " VALUES ('{theirs}', gen_random_uuid(), 'P-0', 'X')"
        " ON CONFLICT (tenant_id, protocol_number) DO UPDATE SET title = 'X'"
        " WHERE study.title::int = 1",
    ),
    Attack(
        "drops what its role has, to be rid of the policy (CVE-2026-116311)",
        everywhere(Wall.POLICY),
        "DROP OWNED BY CURRENT_USER; SELECT count(*) = 0 FROM pg_policy"
        " JOIN pg_class ON pg_class.oid = polrelid WHERE relname = 'site'",
        hides=Wall.POLICY,
    ),
    Attack(
        "reads what ANALYZE has kept of the other's values",
        HIDDEN,
        "SELECT count(*) FROM pg_stats WHERE most_common_vals::text LIKE '%{canary}%'"
        " OR histogram_bounds::text LIKE '%{canary}%'",
    ),
    Attack("copies a table out, and a row of the other's in", HIDDEN),
    Attack("reads the guard's tenants", everywhere(Wall.PRIVILEGES), "TABLE trially.placement"),
    Attack("reads passwords' verifiers", everywhere(Wall.PRIVILEGES), "TABLE pg_authid"),
    Attack(
        "reads a file of the server",
        everywhere(Wall.PRIVILEGES),
        "SELECT pg_read_file('postgresql.conf')",
    ),
    Attack("runs a program", everywhere(Wall.PRIVILEGES), "COPY site TO PROGRAM 'cat'"),
    Attack("loads a file", everywhere(Wall.PRIVILEGES), "COPY site FROM '/etc/passwd'"),
    Attack("imports a file", everywhere(Wall.PRIVILEGES), "SELECT lo_import('/etc/passwd')"),
    Attack("asks dblink", everywhere(Wall.ABSENT), "SELECT dblink('dbname=postgres', 'SELECT 1')"),
    Attack("installs dblink", everywhere(Wall.PRIVILEGES), "CREATE EXTENSION dblink"),
    Attack(
        "makes a replication slot",
        everywhere(Wall.PRIVILEGES),
        "SELECT pg_create_logical_replication_slot('mine', 'pgoutput')",
    ),
)

INJECTED_TO_WRITE = (
    Attack(
        "inserts a row of the other's",
        REFUSED,
        "INSERT INTO site (tenant_id, id, name) VALUES ('{theirs}', gen_random_uuid(), 'X')",
    ),
    Attack(
        "inserts a row into the other's schema",
        by_tier(Wall.CHECK, Wall.USAGE, Wall.POLICY),
        "INSERT INTO {their_schema}.site (tenant_id, id, name)"
        " VALUES ('{theirs}', gen_random_uuid(), 'X')",
    ),
    Attack("hands a row of its own over", REFUSED, "UPDATE import_job SET tenant_id = '{theirs}'"),
    Attack(
        "changes the other's rows",
        HIDDEN,
        "WITH changed AS (UPDATE site SET city = 'X' WHERE tenant_id = '{theirs}' RETURNING 1)"
        " SELECT count(*) FROM changed",
    ),
    Attack(
        "deletes the other's rows",
        HIDDEN,
        "WITH gone AS (DELETE FROM member_site WHERE tenant_id = '{theirs}' RETURNING 1)"
        ", gone_too AS (DELETE FROM import_fault WHERE tenant_id = '{theirs}' RETURNING 1)"
        " SELECT count(*) FROM gone_too",
    ),
    Attack("empties a table", everywhere(Wall.PRIVILEGES), "TRUNCATE site CASCADE"),
    Attack(
        "empties the other's table",
        by_tier(Wall.PRIVILEGES, Wall.USAGE, Wall.PRIVILEGES),
        "TRUNCATE {their_schema}.site CASCADE",
    ),
    Attack(
        "refers to a row of the other's",
        everywhere(Wall.KEY),
        "INSERT INTO patient (tenant_id, id, source_id, mrn, site_id)"
        " VALUES ('{ours}', gen_random_uuid(), 'X', 'X', '{their_site}')",
    ),
    Attack(
        "writes the guard's epochs",
        everywhere(Wall.PRIVILEGES),
        "UPDATE trially.placement SET epoch = 99",
    ),
)

INJECTED_TO_CHANGE_WALLS = tuple(
    Attack(name, everywhere(wall), sql)
    for name, wall, sql in (
        (
            "makes a temporary table that shadows one",
            Wall.PRIVILEGES,
            "CREATE TEMP TABLE patient (id int)",
        ),
        (
            "makes a temporary function",
            Wall.PRIVILEGES,
            "CREATE FUNCTION pg_temp.leak() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        ),
        ("makes a table", Wall.PRIVILEGES, "CREATE TABLE {schema}.mine (id int)"),
        ("makes a view", Wall.PRIVILEGES, "CREATE VIEW {schema}.mine AS SELECT * FROM site"),
        (
            "makes a function",
            Wall.PRIVILEGES,
            "CREATE FUNCTION {schema}.leak() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        ),
        ("makes a schema", Wall.PRIVILEGES, "CREATE SCHEMA mine"),
        ("makes a role", Wall.PRIVILEGES, "CREATE ROLE mine"),
        ("drops the policy", Wall.PRIVILEGES, "DROP POLICY tenant_rows ON site"),
        (
            "makes a policy of its own",
            Wall.PRIVILEGES,
            "CREATE POLICY mine ON site USING (true)",
        ),
        (
            "switches row security off for all",
            Wall.PRIVILEGES,
            "ALTER TABLE site DISABLE ROW LEVEL SECURITY",
        ),
        (
            "drops the CHECK",
            Wall.PRIVILEGES,
            "ALTER TABLE site DROP CONSTRAINT IF EXISTS ck_this_tenant",
        ),
        (
            "switches triggers and keys off",
            Wall.PRIVILEGES,
            "SET session_replication_role = replica",
        ),
        ("becomes superuser", Wall.PRIVILEGES, "RESET ROLE; ALTER ROLE {login} SUPERUSER"),
        ("becomes exempt", Wall.PRIVILEGES, "RESET ROLE; ALTER ROLE {login} BYPASSRLS"),
        (
            "grants itself the owner's role",
            Wall.PRIVILEGES,
            "GRANT trially_catalog_owner TO {login}",
        ),
        (
            "takes over what the owner has",
            Wall.PRIVILEGES,
            "REASSIGN OWNED BY trially_catalog_owner TO CURRENT_USER",
        ),
    )
)

INJECTED_TO_LEARN = (
    Attack("learns by a foreign key whether a row is there", everywhere(Wall.KEY)),
    Attack("learns by a unique key whether a row is there", everywhere(Wall.KEY)),
    Attack("looks for customers' names in the catalogs", everywhere(Wall.OPAQUE), is_pooled=True),
    Attack(
        "reads how many rows the other has",
        by_tier(Wall.OWN_DATABASE, Wall.LIMIT, Wall.LIMIT),
        "SELECT count(*) FROM pg_class"
        " WHERE relname = 'site' AND relnamespace::regnamespace::text = '{their_schema}'"
        " AND current_database() = '{their_database}'",
        limit="PostgreSQL's estimates (`reltuples`) are for everyone: of each opaquely named "
        "schema, or of all the pool's tenants together.",
    ),
    Attack(
        "reads the ids of other tenants",
        by_tier(Wall.ABSENT, Wall.LIMIT, Wall.ABSENT),
        "SELECT count(*) FROM pg_constraint WHERE pg_get_constraintdef(oid) LIKE '%{theirs}%'",
        hides=Wall.ABSENT,
        limit="The CHECK of each schema names its tenant's id, and definitions are for everyone. "
        "An id is no secret and says nothing about its owner.",
    ),
    Attack(
        "asks the guard whether a tenant is there",
        by_tier(Wall.GUARD, Wall.LIMIT, Wall.LIMIT),
        "SELECT trially.enter('{theirs}', 1)",
        limit="Whoever knows an id learns that it lives in the same database, and holds its lock "
        "shared, which delays an operator who wants to suspend or move it.",
    ),
    Attack(
        "reads the other's statements while they run",
        by_tier(Wall.PRIVILEGES, Wall.PRIVILEGES, Wall.LIMIT),
        is_pooled=True,
        limit="Sessions of one login role see each other's statements, values and all.",
    ),
    Attack(
        "lays its role down and reads the other's statements",
        by_tier(Wall.PRIVILEGES, Wall.LIMIT, Wall.LIMIT),
        is_pooled=True,
        limit="The same, by way of the login role.",
    ),
)

INJECTED_TO_BE_IN_THE_WAY = (
    Attack(
        "takes the other's advisory lock",
        by_tier(Wall.OWN_DATABASE, Wall.LIMIT, Wall.LIMIT),
        is_pooled=True,
        limit="Advisory locks are for everyone in a database. The other's requests wait, and are "
        "answered 503, as long as the attacker's statement runs. That may be long: whoever can run "
        "SQL can lift its time limit. An operator ends it with `pg_terminate_backend`.",
    ),
    Attack(
        "locks the other's table",
        by_tier(Wall.OWN_DATABASE, Wall.USAGE, Wall.LIMIT),
        is_pooled=True,
        limit="Who may change a table's rows may lock it, for as long.",
    ),
    Attack(
        "ends the other's connection",
        by_tier(Wall.PRIVILEGES, Wall.PRIVILEGES, Wall.LIMIT),
        is_pooled=True,
        limit="Sessions of one login role may end each other. The application opens another.",
    ),
    Attack(
        "lays its role down and ends the other's connection",
        by_tier(Wall.PRIVILEGES, Wall.LIMIT, Wall.LIMIT),
        is_pooled=True,
        limit="The same, by way of the login role.",
    ),
    Attack(
        "drops what its login role was granted",
        everywhere(Wall.PRIVILEGES),
        "RESET ROLE; DROP OWNED BY CURRENT_USER;"
        " SELECT NOT has_database_privilege('{login}', current_database(), 'CONNECT')"
        " OR NOT has_function_privilege('{login}', 'trially.enter(uuid, bigint)', 'EXECUTE')",
        hides=Wall.PRIVILEGES,
    ),
    Attack(
        "leaves settings to its login role",
        by_tier(Wall.LOGIN, Wall.LIMIT, Wall.LIMIT),
        "RESET ROLE; ALTER ROLE CURRENT_USER SET default_transaction_read_only = on;"
        " SELECT count(*) FROM pg_db_role_setting WHERE setrole = '{their_login}'::regrole"
        " AND setconfig::text LIKE '%read_only%'",
        hides=Wall.LOGIN,
        limit=_SHARED_LOGIN.format(may="change the settings that its sessions begin with"),
    ),
    Attack(
        "changes the password of its login role",
        by_tier(Wall.LOGIN, Wall.LIMIT, Wall.LIMIT),
        "RESET ROLE; ALTER ROLE CURRENT_USER PASSWORD 'known';"
        " SELECT session_user = '{their_login}'",
        hides=Wall.LOGIN,
        limit=_SHARED_LOGIN.format(may="change its own password")
        + " Whoever can also reach the server's port can then log in: let only the application's "
        "hosts (`pg_hba.conf`).",
    ),
    Attack(
        "ends the transaction and leaves the session changed",
        everywhere(Wall.CLEANING),
        is_pooled=True,
        behind_pooler=Wall.RESET,
    ),
)

WITH_A_PASSWORD = (
    Attack("logs in to every other database", everywhere(Wall.CONNECT), is_pooled=True),
    Attack(
        "logs in for one tenant and reads another's rows",
        by_tier(Wall.CONNECT, Wall.LIMIT, Wall.LIMIT),
        is_pooled=True,
        limit="One login role leads to all tenants of a shared database.",
    ),
    Attack("logs in to a database that is being made", by_tier(Wall.CONNECT, None, None)),
)

GROUPS: Mapping[str, tuple[Attack, ...]] = {
    "Over HTTP": OVER_HTTP,
    "The application makes a mistake": SLIPS,
    "A wall is gone": ONE_WALL_GONE,
    "SQL is injected, to read": INJECTED_TO_READ,
    "SQL is injected, to write": INJECTED_TO_WRITE,
    "SQL is injected, to change the walls": INJECTED_TO_CHANGE_WALLS,
    "SQL is injected, to learn about others": INJECTED_TO_LEARN,
    "SQL is injected, to be in others' way": INJECTED_TO_BE_IN_THE_WAY,
    "A login role's password is stolen": WITH_A_PASSWORD,
}

ATTACKS: Mapping[str, Attack] = {
    attack.name: attack for attacks in GROUPS.values() for attack in attacks
}

INJECTED = [attack for attack in ATTACKS.values() if attack.sql]
