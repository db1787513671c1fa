"""Injected SQL that learns about other tenants, or disrupts them."""

from walls import Attack, Wall, by_tier, everywhere

_SHARED_LOGIN = (
    "All tenants of a shared database have one login role, and PostgreSQL lets every role {may}. "
    "Injected SQL can lock them all out until an operator repairs the role. It reads no row."
)

INJECTED_TO_LEARN = (
    Attack("tests with a foreign key whether a row exists", everywhere(Wall.KEY)),
    Attack("tests with a unique key whether a row exists", everywhere(Wall.KEY)),
    Attack(
        "looks for customers' names in the system catalogs", everywhere(Wall.OPAQUE), is_pooled=True
    ),
    Attack(
        "reads the other tenant's number of rows",
        by_tier(Wall.OWN_DATABASE, Wall.LIMIT, Wall.LIMIT),
        "SELECT count(*) FROM pg_class"
        " WHERE relname = 'site' AND relnamespace::regnamespace::text = '{their_schema}'"
        " AND current_database() = '{their_database}'",
        limit="Every role can read PostgreSQL's row estimates (`reltuples`): in `own_schema` those "
        "of each schema, whose name is opaque; in `pooled_rows` the total of all tenants.",
    ),
    Attack(
        "reads other tenants' ids",
        by_tier(Wall.ABSENT, Wall.LIMIT, Wall.ABSENT),
        "SELECT count(*) FROM pg_constraint WHERE pg_get_constraintdef(oid) LIKE '%{victim}%'",
        hides=Wall.ABSENT,
        limit="The CHECK of each schema contains the tenant's id, and every role can read the "
        "definitions. An id is not secret and says nothing about its tenant.",
    ),
    Attack(
        "asks the guard whether a tenant exists",
        by_tier(Wall.GUARD, Wall.LIMIT, Wall.LIMIT),
        "SELECT trially.enter('{victim}', 1)",
        limit="An attacker who knows an id learns whether that tenant is in the same database. The "
        "call also takes the tenant's lock in shared mode, which delays an operator who suspends "
        "or moves that tenant.",
    ),
    Attack(
        "reads the other tenant's statements",
        by_tier(Wall.PRIVILEGES, Wall.PRIVILEGES, Wall.LIMIT),
        is_pooled=True,
        limit="Sessions of one login role see each other's running statements, with all values.",
    ),
    Attack(
        "resets its role and reads the other tenant's statements",
        by_tier(Wall.PRIVILEGES, Wall.LIMIT, Wall.LIMIT),
        is_pooled=True,
        limit="After `RESET ROLE` the session has the login role, which all tenants share.",
    ),
    Attack(
        "reads the other tenant's large object",
        by_tier(Wall.OWN_DATABASE, Wall.PRIVILEGES, Wall.LIMIT),
        limit="Large objects belong to a role, and no policy binds them. The application creates "
        "none.",
    ),
    Attack(
        "listens to the other tenant's notifications",
        by_tier(Wall.OWN_DATABASE, Wall.LIMIT, Wall.LIMIT),
        limit="Every session of a database receives the notifications of all others. The "
        "application sends none.",
    ),
)

INJECTED_TO_DISRUPT = (
    Attack(
        "takes the other tenant's advisory lock",
        by_tier(Wall.OWN_DATABASE, Wall.LIMIT, Wall.LIMIT),
        is_pooled=True,
        limit="Every role can take any advisory lock of a database. The other tenant's requests "
        "wait and get 503 while the attacker's statement runs. Injected SQL can remove its own "
        "time limit. An operator ends the statement with `pg_terminate_backend`.",
    ),
    Attack(
        "locks the other tenant's table",
        by_tier(Wall.OWN_DATABASE, Wall.USAGE, Wall.LIMIT),
        is_pooled=True,
        limit="A role that may change a table's rows may also lock the table, for as long as its "
        "transaction lasts.",
    ),
    Attack(
        "ends the other tenant's connection",
        by_tier(Wall.PRIVILEGES, Wall.PRIVILEGES, Wall.LIMIT),
        is_pooled=True,
        limit="Sessions of one login role may end each other. The application opens a new "
        "connection.",
    ),
    Attack(
        "resets its role and ends the other tenant's connection",
        by_tier(Wall.PRIVILEGES, Wall.LIMIT, Wall.LIMIT),
        is_pooled=True,
        limit="After `RESET ROLE` the session has the login role, which all tenants share.",
    ),
    Attack(
        "drops the grants of its login role",
        everywhere(Wall.PRIVILEGES),
        "RESET ROLE; DROP OWNED BY CURRENT_USER;"
        " SELECT NOT has_database_privilege('{login}', current_database(), 'CONNECT')"
        " OR NOT has_function_privilege('{login}', 'trially.enter(uuid, bigint)', 'EXECUTE')",
        hides=Wall.PRIVILEGES,
    ),
    Attack(
        "changes the settings of its login role",
        by_tier(Wall.LOGIN, Wall.LIMIT, Wall.LIMIT),
        "RESET ROLE; ALTER ROLE CURRENT_USER SET default_transaction_read_only = on;"
        " SELECT count(*) FROM pg_db_role_setting WHERE setrole = '{their_login}'::regrole"
        " AND setconfig::text LIKE '%read_only%'",
        hides=Wall.LOGIN,
        limit=_SHARED_LOGIN.format(may="change the initial settings of its sessions"),
    ),
    Attack(
        "changes the password of its login role",
        by_tier(Wall.LOGIN, Wall.LIMIT, Wall.LIMIT),
        "RESET ROLE; ALTER ROLE CURRENT_USER PASSWORD 'known';"
        " SELECT session_user = '{their_login}'",
        hides=Wall.LOGIN,
        limit=_SHARED_LOGIN.format(may="change its own password")
        + " An attacker who can also reach the server's port can then log in. Allow only the "
        "application's hosts in `pg_hba.conf`.",
    ),
    Attack(
        "commits and leaves the session changed",
        everywhere(Wall.CLEANING),
        is_pooled=True,
        behind_pooler=Wall.RESET,
    ),
)
