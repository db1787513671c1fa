import re
from contextlib import closing
from itertools import permutations

import psycopg2
import pytest
from psycopg2 import errors, sql
from tenant_databases import TABLES, access_of, as_tenant, ask, ask_in, placement_of

from trially.database.connecting import connect
from trially.tenancy.servers.connections import execute
from trially.tenancy.tiers import tier_of


def test_a_role_logs_in_to_its_own_database_and_to_no_other(app, tenant, other_tenant):
    with as_tenant(app, tenant) as raw:
        assert execute(raw, "SELECT current_user, session_user, current_database()") == [
            (tenant.placement.role, tenant.placement.role, tenant.placement.database)
        ]
    others = ask(
        app, "SELECT datname FROM pg_database WHERE datname <> %s", tenant.placement.database
    )
    assert {"postgres", "template1", "trially_catalog"} <= {name for (name,) in others}
    for (name,) in others:
        with pytest.raises(psycopg2.OperationalError, match=r"permission denied|not currently"):
            connect(placement_of(app, tenant).url.set(database=name))


def test_no_role_connects_to_the_database_of_another_tenant(app, tenant, other_tenant):
    for ours, theirs in permutations((tenant, other_tenant)):
        with pytest.raises(psycopg2.OperationalError, match="permission denied"):
            connect(placement_of(app, ours).url.set(database=theirs.placement.database))


def test_a_role_needs_its_own_password(app, tenant, other_tenant):
    url = placement_of(app, tenant).url

    for password in ("", "wrong", placement_of(app, other_tenant).url.password):
        with pytest.raises(psycopg2.OperationalError):
            connect(url.set(password=password))


FORBIDDEN = [
    "CREATE TABLE tenant.mine (id int)",
    "CREATE TABLE mine (id int)",
    "CREATE TABLE public.mine (id int)",
    "CREATE TABLE trially.mine (id int)",
    "CREATE SCHEMA mine",
    "CREATE TEMP TABLE mine (id int)",
    "CREATE FUNCTION tenant.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION pg_temp.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE VIEW tenant.mine AS SELECT 1",
    "CREATE ROLE mine",
    "CREATE DATABASE mine",
    "CREATE EXTENSION hstore",
    "CREATE POLICY mine ON tenant.patient TO PUBLIC USING (true)",
    "CREATE INDEX ON tenant.patient (id)",
    "CREATE PUBLICATION mine FOR TABLE tenant.patient",
    "DROP TABLE tenant.patient",
    "DROP SCHEMA tenant CASCADE",
    "DROP DATABASE postgres",
    "DROP POLICY tenant_rows ON tenant.patient",
    "DROP FUNCTION trially.enter(uuid, bigint)",
    "TRUNCATE tenant.patient",
    "ALTER TABLE tenant.patient DROP CONSTRAINT ck_this_tenant",
    "ALTER TABLE tenant.patient ADD COLUMN mine int",
    "ALTER TABLE tenant.patient DISABLE TRIGGER ALL",
    "ALTER DATABASE {database} OWNER TO {role}",
    "ALTER DATABASE {database} SET search_path = mine",
    "ALTER ROLE {role} BYPASSRLS",
    "ALTER ROLE {role} SUPERUSER",
    "ALTER ROLE {role} CONNECTION LIMIT -1",
    "GRANT {role} TO {owner}",
    "SET ROLE {owner}",
    "SET ROLE postgres",
    "SET SESSION AUTHORIZATION {owner}",
    "SET session_replication_role = replica",
    "REASSIGN OWNED BY {owner} TO {role}",
    "SELECT * FROM trially.placement",
    "INSERT INTO trially.placement VALUES (gen_random_uuid(), 1)",
    "UPDATE trially.placement SET epoch = 9",
    "DELETE FROM trially.placement",
    "SELECT * FROM tenant.alembic_version",
    "UPDATE tenant.alembic_version SET version_num = 'x'",
    "SELECT * FROM pg_authid",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_ls_dir('.')",
    "COPY tenant.patient FROM PROGRAM 'true'",
    "COPY tenant.patient TO '/tmp/patients'",
    "SELECT lo_import('/etc/passwd')",
    "LOAD 'auto_explain'",
    "CHECKPOINT",
    "SELECT pg_reload_conf()",
    "SELECT pg_switch_wal()",
    "SELECT pg_create_logical_replication_slot('mine', 'pgoutput')",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_a_role_has_no_privilege_except_on_rows(app, tenant, statement):
    record = tenant.placement
    attack = statement.format(
        database=record.database, role=record.role, owner="trially_catalog_owner"
    )

    with as_tenant(app, tenant) as raw, pytest.raises(psycopg2.Error) as refusal:
        execute(raw, attack)

    expected = (
        errors.InsufficientPrivilege,
        errors.InvalidSchemaName,
        errors.UndefinedObject,
    )
    assert isinstance(refusal.value, expected), refusal.value
    assert [name for (name,) in ask_in(app, tenant, TABLES)] != []


def test_a_role_that_drops_its_objects_removes_no_wall(app, make_tenant):
    tenant = make_tenant()
    walls = (
        "SELECT (SELECT count(*) FROM pg_policy),"
        " (SELECT count(*) FROM pg_constraint WHERE conname = 'ck_this_tenant')"
    )
    before = ask_in(app, tenant, walls)

    with as_tenant(app, tenant) as raw:
        execute(raw, f"DROP OWNED BY {tenant.placement.role}")
        execute(raw, "GRANT ALL ON tenant.patient TO PUBLIC")

    assert ask_in(app, tenant, walls) == before
    assert ask_in(
        app,
        tenant,
        "SELECT has_table_privilege('trially_catalog_reader', 'tenant.patient', 'SELECT')",
    ) == [(False,)]


def test_a_role_cannot_read_or_end_the_statements_of_another(app, tenant, other_tenant):
    with as_tenant(app, other_tenant) as theirs, as_tenant(app, tenant) as raw:
        execute(theirs, "SELECT 'a secret of theirs'")
        pid = theirs.info.backend_pid
        seen = execute(raw, "SELECT query FROM pg_stat_activity WHERE usename <> current_user")
        assert seen
        assert {query for (query,) in seen} <= {"<insufficient privilege>", None, ""}
        with pytest.raises(errors.InsufficientPrivilege):
            execute(raw, "SELECT pg_terminate_backend(%s)", pid)


def test_names_that_every_role_can_read_are_opaque(app, tenant):
    with as_tenant(app, tenant) as raw:
        databases = {name for (name,) in execute(raw, "SELECT datname FROM pg_database")}
        roles = {name for (name,) in execute(raw, "SELECT rolname FROM pg_roles")}
        comments = execute(raw, "SELECT count(*) FROM pg_shdescription WHERE objoid >= 16384")

    opaque = re.compile(r"[ts]_[0-9a-f]{12}|trially_catalog\w*|pg_\w+|postgres|template[01]")
    assert {name for name in databases | roles if not opaque.fullmatch(name)} == set()
    assert comments == [(0,)]


def test_roles_have_no_special_attributes(app, tenant):
    (rights,) = ask(
        app,
        "SELECT rolsuper, rolbypassrls, rolcreatedb, rolcreaterole, rolreplication, rolinherit,"
        " rolcanlogin, rolconnlimit FROM pg_roles WHERE rolname = %s",
        tenant.placement.role,
    )
    memberships = ask(
        app,
        "SELECT count(*) FROM pg_auth_members WHERE member = %s::regrole",
        tenant.placement.role,
    )

    assert rights == (False, False, False, False, False, False, True, 50)
    assert memberships == [(0,)]


def test_passwords_are_scram_and_owners_cannot_log_in(app, tenant):
    rows = ask(
        app,
        "SELECT rolname, rolpassword, rolcanlogin, rolsuper FROM pg_authid"
        " WHERE rolname !~ '^pg_' AND rolname <> 'postgres'",
    )
    kinds = {name: (password, can_log_in) for name, password, can_log_in, _ in rows}

    assert kinds["trially_catalog_owner"] == (None, False)
    assert not any(is_superuser for *_, is_superuser in rows)
    for password, can_log_in in kinds.values():
        assert not can_log_in or password.startswith("SCRAM-SHA-256$")


def test_the_catalogs_reader_can_only_read_the_catalog(app, tenant):
    access = access_of(app)
    with closing(connect(access.role_url("trially_catalog_reader", "trially_catalog"))) as raw:
        assert execute(raw, "SELECT count(*) > 0 FROM catalog.tenant") == [(True,)]
        for attack in (
            "UPDATE catalog.tenant SET status = 'active'",
            "CREATE TABLE catalog.mine (id int)",
            "CREATE TEMP TABLE mine (id int)",
            "DELETE FROM catalog.placement",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                execute(raw, attack)
    for database in ("postgres", "template1", tenant.placement.database):
        with pytest.raises(psycopg2.OperationalError, match="permission denied"):
            connect(access.role_url("trially_catalog_reader", database))


def test_the_password_of_an_existing_role_is_reset(app, make_tenant):
    tenant = make_tenant()
    role = sql.Identifier(tenant.placement.role)
    with access_of(app).administer() as raw:
        execute(raw, sql.SQL("ALTER ROLE {} PASSWORD 'other'").format(role))
    with app.app_context():
        tier_of(tenant.placement).create_role(tenant.placement)

    with as_tenant(app, tenant) as raw:
        assert execute(raw, "SELECT 1") == [(1,)]


def test_granting_access_again_leaves_a_suspended_tenant_suspended(app, make_tenant):
    from trially.tenancy.lifecycle.status import suspend_tenant

    tenant = make_tenant()
    with app.app_context():
        record = suspend_tenant(tenant.slug).placement
        tier_of(record).grant_access(record)

    assert ask_in(app, tenant, "SELECT epoch, is_suspended FROM trially.placement") == [(2, True)]


def test_a_role_has_a_connection_limit(app, make_tenant):
    tenant = make_tenant()
    role = sql.Identifier(tenant.placement.role)
    with access_of(app).administer() as raw:
        execute(raw, sql.SQL("ALTER ROLE {} CONNECTION LIMIT 1").format(role))

    refused = pytest.raises(psycopg2.OperationalError, match="too many connections")
    with as_tenant(app, tenant), refused:
        connect(placement_of(app, tenant).url)
