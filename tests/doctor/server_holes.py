"""Holes in a server, its roles and databases, and in the catalog."""

from holes import CATALOG, EACH_TIER, SCHEMAS, SERVER, Hole

from trially.doctor.findings import Level

ROLES = [
    *(
        Hole(f"ALTER ROLE {{role}} {power}", f"{{role}} has {power}")
        for power in ("SUPERUSER", "BYPASSRLS", "CREATEDB", "CREATEROLE", "REPLICATION", "INHERIT")
    ),
    Hole("ALTER ROLE {role} LOGIN", "{role} has LOGIN", at=SCHEMAS),
    Hole(
        "ALTER ROLE {database} NOLOGIN",
        "{database} lacks LOGIN",
        at=("dedicated-one", "pooled-one"),
    ),
    Hole("ALTER ROLE {owner} LOGIN", "{owner} has LOGIN", at=SERVER),
    Hole("ALTER ROLE {owner} BYPASSRLS", "{owner} has BYPASSRLS", at=SERVER),
    Hole("ALTER ROLE {reader} SUPERUSER", "{reader} has SUPERUSER", at=SERVER),
    Hole(
        "ALTER ROLE {database} CONNECTION LIMIT -1",
        "{database} has no connection limit",
        level=Level.WARNING,
    ),
    Hole("ALTER ROLE {database} CONNECTION LIMIT 0", "{database} has the connection limit 0"),
    Hole("ALTER ROLE {database} VALID UNTIL '2020-01-01'", "the password of {database} expires on"),
    Hole(
        "ALTER ROLE {database} RENAME TO loose_role",
        "the role {database} is missing",
        "ALTER ROLE loose_role RENAME TO {database}",
    ),
    Hole(
        "CREATE ROLE t_000000000000",
        "no tenant uses the role t_000000000000",
        at=SERVER,
        level=Level.WARNING,
    ),
]

MEMBERSHIPS = [
    *(
        Hole(f"GRANT {predefined} TO {{role}}", f"{{role}} is a member of {predefined}")
        for predefined in ("pg_read_all_data", "pg_monitor", "pg_signal_backend")
    ),
    Hole(
        "GRANT {other_role} TO {role}", "{role} is a member of {other_role}", at=("dedicated-one",)
    ),
    Hole("GRANT {owner} TO {role}", "{role} is a member of {owner}"),
    Hole(
        "REVOKE {role} FROM {database}",
        "missing membership {database} in {role}",
        "GRANT {role} TO {database}",
        SCHEMAS,
    ),
    Hole(
        "GRANT {role} TO {database} WITH ADMIN OPTION",
        "membership {database} in {role} differs: admin_option is true",
        "REVOKE ADMIN OPTION FOR {role} FROM {database}",
        SCHEMAS,
    ),
    Hole(
        "CREATE ROLE loose_role; GRANT {role} TO loose_role",
        "loose_role is a member of {role}",
        "DROP ROLE loose_role",
    ),
    Hole(
        "CREATE ROLE loose_role; GRANT pg_read_server_files TO loose_role",
        "loose_role is a member of pg_read_server_files",
        "DROP ROLE loose_role",
        SERVER,
    ),
]

SETTINGS_OF_ROLES = [
    Hole(
        "ALTER ROLE {role} SET work_mem = '1MB'",
        "ALTER ROLE {role} sets work_mem",
        at=SCHEMAS,
        level=Level.WARNING,
    ),
    Hole(
        "ALTER DATABASE postgres SET row_security = off",
        "ALTER DATABASE postgres sets row",
        at=SERVER,
    ),
    Hole(
        "ALTER ROLE {database} SET search_path = public",
        "search_path of ALTER ROLE {database} is public, not ",
    ),
    Hole(
        "ALTER ROLE {database} SET trially.tenant_id = '{other_tenant_id}'",
        "ALTER ROLE {database} sets trially.tenant_id = ",
    ),
    Hole("ALTER ROLE {database} SET role = {owner}", "ALTER ROLE {database} sets role = {owner}"),
    Hole(
        "ALTER ROLE {database} IN DATABASE {database}"
        " SET session_preload_libraries = 'auto_explain'",
        "ALTER ROLE {database} IN DATABASE {database} sets session_preload_libraries",
    ),
    Hole(
        "ALTER ROLE {database} SET statement_timeout = 0",
        "statement_timeout of ALTER ROLE {database} is 0, not 30000",
        level=Level.WARNING,
    ),
    Hole(
        "ALTER DATABASE {database} SET search_path = public",
        "ALTER DATABASE {database} sets search_path = public",
    ),
    Hole(
        "ALTER DATABASE {database} SET row_security = off",
        "ALTER DATABASE {database} sets row_security = off",
    ),
    Hole(
        "ALTER ROLE ALL SET session_replication_role = replica",
        "ALTER ROLE ALL sets session_replication_role = replica",
        at=SERVER,
    ),
    Hole(
        "ALTER ROLE ALL IN DATABASE {database} SET trially.tenant_id = '{other_tenant_id}'",
        "ALTER DATABASE {database} sets trially.tenant_id",
    ),
    Hole(
        "ALTER ROLE CURRENT_USER SET lo_compat_privileges = on",
        "ALTER ROLE postgres sets lo_compat_privileges = on",
        at=SERVER,
    ),
    Hole(
        "ALTER DATABASE {catalog} SET search_path = public",
        "search_path of ALTER DATABASE {catalog} is public, not ",
        at=SERVER,
    ),
]

DATABASES = [
    Hole(
        "GRANT CONNECT ON DATABASE {database} TO PUBLIC",
        "PUBLIC has CONNECT on database {database}",
    ),
    Hole(
        "GRANT CONNECT ON DATABASE {database} TO {reader}",
        "{reader} has CONNECT on database {database}",
    ),
    Hole(
        "GRANT TEMP ON DATABASE {database} TO {database}",
        "{database} has TEMPORARY on database {database}",
    ),
    Hole(
        "GRANT CREATE ON DATABASE {database} TO {database} WITH GRANT OPTION",
        "{database} has CREATE WITH GRANT OPTION on database {database}",
    ),
    Hole(
        "REVOKE CONNECT ON DATABASE {database} FROM {database}",
        "{database} lacks CONNECT on database {database}",
    ),
    Hole(
        "ALTER DATABASE {database} OWNER TO CURRENT_USER",
        "database {database} belongs to postgres",
    ),
    Hole(
        "ALTER DATABASE {database} OWNER TO {database}",
        "database {database} belongs to {database}",
        "ALTER DATABASE {database} OWNER TO {owner}; GRANT ALL ON DATABASE {database} TO {owner};"
        "GRANT CONNECT ON DATABASE {database} TO {database}",
    ),
    Hole(
        "ALTER DATABASE {database} IS_TEMPLATE true",
        "database {database} differs: datistemplate is true",
        "ALTER DATABASE {database} IS_TEMPLATE false",
    ),
    Hole(
        "GRANT CONNECT ON DATABASE postgres TO PUBLIC",
        "PUBLIC has CONNECT on database postgres",
        at=SERVER,
    ),
    Hole(
        "GRANT TEMP ON DATABASE template1 TO {role}",
        "{role} has TEMPORARY on database template1",
    ),
    Hole(
        "GRANT CONNECT ON DATABASE {catalog} TO {role}",
        "{role} has CONNECT on database {catalog}",
    ),
    Hole(
        "ALTER DATABASE template0 ALLOW_CONNECTIONS true", "template0 allows connections", at=SERVER
    ),
    Hole(
        "CREATE DATABASE t_000000000000 OWNER {owner}",
        "no tenant is placed in the database t_000000000000",
        "DROP DATABASE t_000000000000",
        SERVER,
        Level.WARNING,
    ),
    Hole(
        "CREATE DATABASE t_000000000000 OWNER {role}",
        "unexpected database t_000000000000",
        at=EACH_TIER,
    ),
]

IN_DATABASES = [
    Hole(
        "SELECT pg_create_logical_replication_slot('loose', 'pgoutput')",
        "the logical replication slot loose reads database {database}",
    ),
    Hole(
        "CREATE SUBSCRIPTION loose CONNECTION 'host=127.0.0.1' PUBLICATION loose"
        " WITH (connect = false)",
        "unexpected subscription loose",
        "ALTER SUBSCRIPTION loose SET (slot_name = NONE); DROP SUBSCRIPTION loose",
    ),
]
"""Holes that are made in a tenant's database, and found on the server."""

STRANGERS = [
    *(
        Hole(
            f"CREATE ROLE loose_role {power}",
            f"loose_role has {power}",
            "DROP ROLE loose_role",
            SERVER,
        )
        for power in ("SUPERUSER", "BYPASSRLS", "REPLICATION", "CREATEROLE")
    ),
    Hole(
        "GRANT SET ON PARAMETER session_replication_role TO {role}",
        "{role} has SET on parameter session_replication_role",
    ),
    Hole(
        "GRANT ALTER SYSTEM ON PARAMETER work_mem TO PUBLIC",
        "PUBLIC has privileges on parameter work_mem",
        at=SERVER,
    ),
    Hole(
        "GRANT CREATE ON TABLESPACE pg_default TO {role}",
        "{role} has CREATE on tablespace pg_default",
    ),
    Hole(
        "GRANT CREATE ON TABLESPACE pg_global TO PUBLIC",
        "PUBLIC has privileges on tablespace pg_global",
        at=SERVER,
    ),
    Hole(
        "ALTER TABLESPACE pg_default OWNER TO {owner}",
        "tablespace pg_default belongs to {owner}",
        "ALTER TABLESPACE pg_default OWNER TO CURRENT_USER",
        SERVER,
    ),
    Hole(
        "SELECT pg_replication_origin_create('loose')",
        "unexpected replication origin loose",
        at=SERVER,
    ),
    Hole(
        "SELECT pg_create_physical_replication_slot('loose')",
        "the physical replication slot loose",
        at=SERVER,
        level=Level.WARNING,
    ),
    Hole(
        "CREATE ROLE loose_md5 LOGIN PASSWORD 'md5" + "0" * 32 + "'",
        "the password of loose_md5 is not stored as SCRAM",
        "DROP ROLE loose_md5",
        SERVER,
    ),
    Hole(
        "ALTER DATABASE {database} SET log_statement = 'all'",
        "log_statement is all for database {database}",
        "ALTER DATABASE {database} RESET log_statement",
        level=Level.WARNING,
    ),
]

CATALOG_HOLES = [
    Hole(
        "UPDATE catalog.alembic_version SET version_num = '0' || version_num",
        "the catalog is not at the head revision",
        "UPDATE catalog.alembic_version SET version_num = substr(version_num, 2)",
        CATALOG,
    ),
    Hole(
        "GRANT UPDATE ON catalog.tenant TO {reader}",
        "{reader} has UPDATE on table catalog.tenant",
        at=CATALOG,
    ),
    Hole(
        "GRANT SELECT ON catalog.server_password TO {reader}",
        "{reader} has SELECT on table catalog.server_password",
        at=CATALOG,
    ),
    Hole(
        "CREATE FUNCTION catalog.reroute() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW;"
        " END'; CREATE TRIGGER reroute BEFORE INSERT ON catalog.placement FOR EACH ROW"
        " EXECUTE FUNCTION catalog.reroute()",
        "unexpected trigger reroute on catalog.placement",
        "DROP FUNCTION catalog.reroute() CASCADE",
        CATALOG,
    ),
    Hole(
        "DROP INDEX catalog.uq_placement_active_tenant_id",
        "missing index catalog.uq_placement_active_tenant_id",
        at=CATALOG,
    ),
    Hole(
        "UPDATE catalog.operation SET state = 'running' WHERE tenant_slug = 'dedicated-one'",
        "provision of dedicated-one is running",
        "UPDATE catalog.operation SET state = 'done' WHERE tenant_slug = 'dedicated-one'",
        CATALOG,
        Level.WARNING,
    ),
    Hole(
        "UPDATE catalog.placement SET database = 't_ffffffffffff'"
        " WHERE database = (SELECT database FROM catalog.placement JOIN catalog.tenant ON"
        " tenant.id = tenant_id WHERE slug = 'dedicated-two')",
        "the database t_ffffffffffff is missing",
        "UPDATE catalog.placement SET database = (SELECT role FROM catalog.placement"
        " WHERE database = 't_ffffffffffff') WHERE database = 't_ffffffffffff'",
        CATALOG,
    ),
]

SETTINGS = [
    ("the version does not leak rows", {"server_version_num": "150019"}, "15.19 can leak rows"),
    (
        "the version does not leak rows",
        {"server_version_num": "140025"},
        "no longer receives fixes",
    ),
    (
        "the version does not leak rows",
        {"server_version_num": "190001"},
        "is unknown to this check",
    ),
    ("the log contains no patient data", {"log_statement": "mod"}, "log_statement is mod"),
    ("the log contains no patient data", {"log_min_duration_statement": "100"}, "log_min_duration"),
    (
        "the log contains no patient data",
        {"log_min_error_statement": "error"},
        "log_min_error_statement",
    ),
    ("the log contains no patient data", {"log_error_verbosity": "default"}, "log_error_verbosity"),
    (
        "the log contains no patient data",
        {"log_parameter_max_length": "-1"},
        "log_parameter_max_length",
    ),
    (
        "the log contains no patient data",
        {"log_parameter_max_length_on_error": "99"},
        "on_error is 99",
    ),
    (
        "the log contains no patient data",
        {"log_min_messages": "debug2"},
        "log_min_messages is debug2",
    ),
    ("the log contains no patient data", {"auto_explain.log_min_duration": "0"}, "auto_explain"),
    ("passwords are stored as scram", {"password_encryption": "md5"}, "password_encryption is md5"),
    ("tenants can move online", {"wal_level": "replica"}, "wal_level is replica"),
    (
        "settings do not weaken isolation",
        {"session_preload_libraries": "leak"},
        "session_preload_libraries is leak",
    ),
    ("settings do not weaken isolation", {"shared_preload_libraries": "auto_explain, x"}, "is x,"),
    (
        "settings do not weaken isolation",
        {"lo_compat_privileges": "on"},
        "lo_compat_privileges is on, not off",
    ),
    (
        "settings do not weaken isolation",
        {"allow_system_table_mods": "on"},
        "allow_system_table_mods is on",
    ),
    ("settings do not weaken isolation", {"row_security": "off"}, "row_security is off"),
    ("max connections is sufficient", {"max_connections": "20"}, "processes may open"),
]
"""Settings of a server: the check that finds each, the changed setting, part of the finding."""
