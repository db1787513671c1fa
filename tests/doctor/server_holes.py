"""Holes in a server, its roles and databases, and in the installation."""

from holes import Hole

from trially.doctor.findings import Level

ROLES = [
    *(
        Hole(
            "roles have no special attributes",
            f"ALTER ROLE {{dedicated_one.role}} {power}",
            f"ALTER ROLE {{dedicated_one.role}} NO{power}",
            None,
            f"{{dedicated_one.role}} has {power}",
        )
        for power in (
            "SUPERUSER",
            "BYPASSRLS",
            "CREATEDB",
            "CREATEROLE",
            "REPLICATION",
            "INHERIT",
        )
    ),
    Hole(
        "roles have no special attributes",
        "ALTER ROLE {schema_one.role} LOGIN",
        "ALTER ROLE {schema_one.role} NOLOGIN",
        None,
        "{schema_one.role} has LOGIN",
    ),
    Hole(
        "roles have no special attributes",
        "ALTER ROLE {catalog}_owner LOGIN",
        "ALTER ROLE {catalog}_owner NOLOGIN",
        None,
        "{catalog}_owner has LOGIN",
    ),
    Hole(
        "roles have no special attributes",
        "ALTER ROLE {dedicated_one.role} CONNECTION LIMIT -1",
        "ALTER ROLE {dedicated_one.role} CONNECTION LIMIT 50",
        None,
        "{dedicated_one.role} has no connection limit",
        Level.WARNING,
    ),
    Hole(
        "roles have only expected members",
        "GRANT pg_read_all_data TO {dedicated_one.role}",
        "REVOKE pg_read_all_data FROM {dedicated_one.role}",
        None,
        "{dedicated_one.role} is a member of pg_read_all_data",
    ),
    Hole(
        "roles have only expected members",
        "GRANT {schema_one.role} TO {dedicated_one.role}",
        "REVOKE {schema_one.role} FROM {dedicated_one.role}",
        None,
        "{dedicated_one.role} is a member of {schema_one.role}",
    ),
    Hole(
        "databases accept their own role only",
        "GRANT CONNECT ON DATABASE {dedicated_one.database} TO PUBLIC",
        "REVOKE CONNECT ON DATABASE {dedicated_one.database} FROM PUBLIC",
        None,
        "PUBLIC has CONNECT on database {dedicated_one.database}",
    ),
    Hole(
        "databases accept their own role only",
        "GRANT CONNECT ON DATABASE {dedicated_one.database} TO {dedicated_two.role}",
        "REVOKE CONNECT ON DATABASE {dedicated_one.database} FROM {dedicated_two.role}",
        None,
        "{dedicated_two.role} has CONNECT on database {dedicated_one.database}",
    ),
    Hole(
        "databases accept their own role only",
        "GRANT TEMP ON DATABASE {pooled_one.database} TO {pooled_one.role}",
        "REVOKE TEMP ON DATABASE {pooled_one.database} FROM {pooled_one.role}",
        None,
        "{pooled_one.role} has TEMPORARY on database {pooled_one.database}",
    ),
    Hole(
        "databases accept their own role only",
        "GRANT CONNECT ON DATABASE postgres TO PUBLIC",
        "REVOKE CONNECT ON DATABASE postgres FROM PUBLIC",
        None,
        "PUBLIC has CONNECT on database postgres",
    ),
    Hole(
        "every role exists",
        "ALTER ROLE {schema_two.role} RENAME TO loose_role",
        "ALTER ROLE loose_role RENAME TO {schema_two.role}",
        None,
        "the role {schema_two.role} is missing",
    ),
    Hole(
        "no unused role remains",
        "CREATE ROLE t_000000000000",
        "DROP ROLE t_000000000000",
        None,
        "no tenant uses the role t_000000000000",
        Level.WARNING,
    ),
    Hole(
        "every database exists",
        "UPDATE catalog.placement SET database = 't_ffffffffffff'"
        " WHERE database = '{dedicated_two.database}'",
        "UPDATE catalog.placement SET database = '{dedicated_two.database}'"
        " WHERE database = 't_ffffffffffff'",
        "catalog",
        "the database t_ffffffffffff is missing",
    ),
    Hole(
        "no unused database remains",
        "CREATE DATABASE t_000000000000 OWNER {catalog}_owner",
        "DROP DATABASE t_000000000000",
        None,
        "no tenant is placed in the database t_000000000000",
        Level.WARNING,
    ),
]

SERVERS = [
    Hole(
        "passwords are stored as scram",
        "CREATE ROLE loose_md5 LOGIN PASSWORD 'md5" + "0" * 32 + "'",
        "DROP ROLE loose_md5",
        None,
        "the password of loose_md5 is not stored as SCRAM",
    ),
    Hole(
        "the log contains no patient data",
        "ALTER DATABASE {dedicated_one.database} SET log_statement = 'all'",
        "ALTER DATABASE {dedicated_one.database} RESET log_statement",
        None,
        "log_statement is all for database {dedicated_one.database}",
        Level.WARNING,
    ),
]

INSTALLATION = [
    Hole(
        "the catalog is at the head revision",
        "UPDATE catalog.alembic_version SET version_num = '0' || version_num",
        "UPDATE catalog.alembic_version SET version_num = substr(version_num, 2)",
        "catalog",
        "the catalog is not at the head revision",
    ),
    Hole(
        "the catalog is granted to its reader only",
        "GRANT UPDATE ON catalog.tenant TO {catalog}_reader",
        "REVOKE UPDATE ON catalog.tenant FROM {catalog}_reader",
        "catalog",
        "{catalog}_reader has UPDATE on catalog.tenant",
    ),
    Hole(
        "the catalog is granted to its reader only",
        "GRANT SELECT ON catalog.server_password TO {catalog}_reader",
        "REVOKE SELECT ON catalog.server_password FROM {catalog}_reader",
        "catalog",
        "{catalog}_reader has SELECT on catalog.server_password",
    ),
    Hole(
        "every operation is finished",
        "UPDATE catalog.operation SET state = 'running' WHERE tenant_slug = 'dedicated-one'",
        "UPDATE catalog.operation SET state = 'done' WHERE tenant_slug = 'dedicated-one'",
        "catalog",
        "provision of dedicated-one is running",
        Level.WARNING,
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
    ("max connections is sufficient", {"max_connections": "50"}, "workers may open"),
]
"""Settings of a server: the check that finds each, the changed setting, part of the finding."""
