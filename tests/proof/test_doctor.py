"""Every check of the doctor finds the hole that is made for it, and a healthy fleet has none."""

import json
from dataclasses import dataclass, replace

import pytest

from trially.doctor import examining, servers
from trially.doctor.examining import examinations
from trially.doctor.findings import Level, find
from trially.doctor.fleet import Fleet as KnownFleet
from trially.doctor.fleet import read_fleet
from trially.doctor.installation import INSTALLATION_CHECKS, entropy_bits
from trially.doctor.roles import ROLE_CHECKS
from trially.doctor.servers import SERVER_CHECKS, ExaminedServer
from trially.doctor.walls import DATABASE_CHECKS
from trially.state import state_of
from trially.tenancy.servers.access import server_access

POLICY = (
    "CREATE POLICY tenant_rows ON tenant.site TO PUBLIC"
    " USING (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
    " WITH CHECK (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
)


@dataclass(frozen=True)
class Hole:
    check: str
    made: str
    mended: str
    of: str | None
    says: str
    level: Level = Level.ERROR


WALLS = [
    Hole(
        "every table has its one policy",
        "DROP POLICY tenant_rows ON tenant.site",
        POLICY,
        "pooled-one",
        "tenant.site has no policy",
    ),
    Hole(
        "every table has its one policy",
        "DROP POLICY tenant_rows ON {schema_one.schema}.site",
        POLICY.replace("tenant.site", "{schema_one.schema}.site"),
        "schema-one",
        "{schema_one.schema}.site has no policy",
    ),
    Hole(
        "every table has its one policy",
        "CREATE POLICY wide ON tenant.site TO PUBLIC USING (true)",
        "DROP POLICY wide ON tenant.site",
        "pooled-one",
        "the policy wide of tenant.site is not the one",
    ),
    Hole(
        "every table has its one policy",
        "ALTER POLICY tenant_rows ON tenant.site TO {pooled_one.role}",
        "ALTER POLICY tenant_rows ON tenant.site TO PUBLIC",
        "pooled-one",
        "the policy tenant_rows of tenant.site is not the one",
    ),
    Hole(
        "every table has its one policy",
        "ALTER POLICY tenant_rows ON tenant.site WITH CHECK (true)",
        POLICY.replace("CREATE", "ALTER"),
        "pooled-one",
        "the policy tenant_rows of tenant.site is not the one",
    ),
    Hole(
        "row security binds everyone",
        "ALTER TABLE tenant.site NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE tenant.site FORCE ROW LEVEL SECURITY",
        "pooled-one",
        "row security of tenant.site is not forced",
    ),
    Hole(
        "row security binds everyone",
        "ALTER TABLE tenant.site DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE tenant.site ENABLE ROW LEVEL SECURITY",
        "pooled-one",
        "row security of tenant.site is not on",
    ),
    Hole(
        "every table is held to its tenant",
        "ALTER TABLE tenant.site DROP CONSTRAINT ck_this_tenant",
        "ALTER TABLE tenant.site"
        " ADD CONSTRAINT ck_this_tenant CHECK (tenant_id = '{dedicated_one.tenant_id}')",
        "dedicated-one",
        "tenant.site has no ck_this_tenant",
    ),
    Hole(
        "every table is held to its tenant",
        "ALTER TABLE {schema_one.schema}.site DROP CONSTRAINT ck_this_tenant;"
        "ALTER TABLE {schema_one.schema}.site"
        " ADD CONSTRAINT ck_this_tenant CHECK (tenant_id = '{schema_two.tenant_id}') NOT VALID",
        "ALTER TABLE {schema_one.schema}.site DROP CONSTRAINT ck_this_tenant;"
        "ALTER TABLE {schema_one.schema}.site"
        " ADD CONSTRAINT ck_this_tenant CHECK (tenant_id = '{schema_one.tenant_id}')",
        "schema-one",
        "{schema_one.schema}.site has no ck_this_tenant",
    ),
    Hole(
        "every table has a tenant id",
        "CREATE TABLE tenant.loose (id int)",
        "DROP TABLE tenant.loose",
        "pooled-one",
        "tenant.loose has no tenant_id",
    ),
    Hole(
        "unique indexes lead with tenant id",
        "CREATE UNIQUE INDEX loose ON tenant.site (name, tenant_id)",
        "DROP INDEX tenant.loose",
        "pooled-one",
        "the unique index tenant.loose does not lead",
    ),
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
        "schemas are open to their role only",
        "GRANT USAGE ON SCHEMA {schema_one.schema} TO {schema_two.role}",
        "REVOKE USAGE ON SCHEMA {schema_one.schema} FROM {schema_two.role}",
        "schema-one",
        "{schema_two.role} has USAGE on schema {schema_one.schema}",
    ),
    Hole(
        "schemas are open to their role only",
        "GRANT CREATE ON SCHEMA tenant TO PUBLIC",
        "REVOKE CREATE ON SCHEMA tenant FROM PUBLIC",
        "pooled-one",
        "PUBLIC has CREATE on schema tenant",
    ),
    Hole(
        "functions are called by their roles only",
        "GRANT EXECUTE ON FUNCTION trially.analyze_tables() TO PUBLIC",
        "REVOKE EXECUTE ON FUNCTION trially.analyze_tables() FROM PUBLIC",
        "dedicated-one",
        "PUBLIC may call trially.analyze_tables",
    ),
    Hole(
        "nothing is granted beforehand",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA tenant GRANT SELECT ON TABLES TO PUBLIC",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA tenant REVOKE SELECT ON TABLES FROM PUBLIC",
        "dedicated-one",
        "default privileges are set",
    ),
    Hole(
        "everything belongs to the owner",
        "ALTER TABLE tenant.site OWNER TO CURRENT_USER",
        "ALTER TABLE tenant.site OWNER TO {catalog}_owner",
        "dedicated-one",
        "tenant.site belongs to postgres",
    ),
    Hole(
        "views see as their caller",
        "CREATE VIEW tenant.everyone AS SELECT * FROM tenant.site",
        "DROP VIEW tenant.everyone",
        "pooled-one",
        "the view tenant.everyone goes past row security",
    ),
    Hole(
        "views see as their caller",
        "CREATE MATERIALIZED VIEW tenant.everyone AS SELECT * FROM tenant.site",
        "DROP MATERIALIZED VIEW tenant.everyone",
        "pooled-one",
        "the materialised view tenant.everyone goes past row security",
    ),
    Hole(
        "children are reached through their parents",
        "CREATE TABLE tenant.part () INHERITS (tenant.site);"
        "GRANT SELECT ON tenant.part TO {pooled_one.role}",
        "DROP TABLE tenant.part",
        "pooled-one",
        "{pooled_one.role} may SELECT in tenant.part past its parent",
    ),
    Hole(
        "functions of the owner pin their search path",
        "CREATE FUNCTION trially.loose() RETURNS int SECURITY DEFINER LANGUAGE sql AS 'SELECT 1'",
        "DROP FUNCTION trially.loose()",
        "dedicated-one",
        "trially.loose runs as its owner",
    ),
    Hole(
        "languages are trusted",
        "CREATE LANGUAGE loose HANDLER plpgsql_call_handler",
        "DROP LANGUAGE loose",
        "dedicated-one",
        "the language loose is untrusted",
    ),
    Hole(
        "there are no extensions",
        "CREATE EXTENSION dblink SCHEMA trially",
        "DROP EXTENSION dblink",
        "dedicated-one",
        "the extension dblink is there",
    ),
    Hole(
        "tables are at the head",
        "UPDATE tenant.alembic_version SET version_num = '0' || version_num",
        "UPDATE tenant.alembic_version SET version_num = substr(version_num, 2)",
        "pooled-one",
        "tenant is at 0",
    ),
    Hole(
        "tables are at the head",
        "DELETE FROM blank.alembic_version",
        "INSERT INTO blank.alembic_version SELECT * FROM {schema_one.schema}.alembic_version",
        "schema-one",
        "blank is at no revision",
    ),
    Hole(
        "every schema is there",
        "CREATE SCHEMA t_000000000000",
        "DROP SCHEMA t_000000000000",
        "schema-one",
        "the schema t_000000000000 is no tenant's",
        Level.WARNING,
    ),
    Hole(
        "every schema is there",
        "ALTER SCHEMA {schema_two.schema} RENAME TO t_000000000000",
        "ALTER SCHEMA t_000000000000 RENAME TO {schema_two.schema}",
        "schema-two",
        "the schema {schema_two.schema} is missing",
    ),
    Hole(
        "the guard knows what the catalog knows",
        "UPDATE trially.placement SET epoch = epoch + 1 WHERE tenant_id = '{pooled_one.tenant_id}'",
        "UPDATE trially.placement SET epoch = epoch - 1 WHERE tenant_id = '{pooled_one.tenant_id}'",
        "pooled-one",
        "the guard has pooled-one at epoch ",
    ),
    Hole(
        "the guard knows what the catalog knows",
        "UPDATE trially.placement SET is_suspended = true",
        "UPDATE trially.placement SET is_suspended = false",
        "dedicated-one",
        ", suspended, the catalog at epoch ",
    ),
    Hole(
        "the guard knows what the catalog knows",
        "INSERT INTO trially.placement VALUES ('00000000-0000-0000-0000-000000000000', 1)",
        "DELETE FROM trially.placement WHERE tenant_id = '00000000-0000-0000-0000-000000000000'",
        "dedicated-one",
        "who does not live here",
    ),
    Hole(
        "no canary is left over",
        "INSERT INTO tenant.canary (tenant_id, id, run_id, word, planted_at) VALUES"
        " ('{pooled_one.tenant_id}', gen_random_uuid(), gen_random_uuid(), 'old',"
        " now() - interval '2 days')",
        "DELETE FROM tenant.canary",
        "pooled-one",
        "1 old canaries in tenant",
        Level.WARNING,
    ),
]

ROLES = [
    *(
        Hole(
            "roles have no powers",
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
        "roles have no powers",
        "ALTER ROLE {schema_one.role} LOGIN",
        "ALTER ROLE {schema_one.role} NOLOGIN",
        None,
        "{schema_one.role} may log in",
    ),
    Hole(
        "roles have no powers",
        "ALTER ROLE {catalog}_owner LOGIN",
        "ALTER ROLE {catalog}_owner NOLOGIN",
        None,
        "{catalog}_owner may log in",
    ),
    Hole(
        "roles have no powers",
        "ALTER ROLE {dedicated_one.role} CONNECTION LIMIT -1",
        "ALTER ROLE {dedicated_one.role} CONNECTION LIMIT 50",
        None,
        "{dedicated_one.role} may open any number",
        Level.WARNING,
    ),
    Hole(
        "roles are members of none but their own",
        "GRANT pg_read_all_data TO {dedicated_one.role}",
        "REVOKE pg_read_all_data FROM {dedicated_one.role}",
        None,
        "{dedicated_one.role} is a member of pg_read_all_data",
    ),
    Hole(
        "roles are members of none but their own",
        "GRANT {schema_one.role} TO {dedicated_one.role}",
        "REVOKE {schema_one.role} FROM {dedicated_one.role}",
        None,
        "{dedicated_one.role} is a member of {schema_one.role}",
    ),
    Hole(
        "databases let in their own role only",
        "GRANT CONNECT ON DATABASE {dedicated_one.database} TO PUBLIC",
        "REVOKE CONNECT ON DATABASE {dedicated_one.database} FROM PUBLIC",
        None,
        "PUBLIC has CONNECT on database {dedicated_one.database}",
    ),
    Hole(
        "databases let in their own role only",
        "GRANT CONNECT ON DATABASE {dedicated_one.database} TO {dedicated_two.role}",
        "REVOKE CONNECT ON DATABASE {dedicated_one.database} FROM {dedicated_two.role}",
        None,
        "{dedicated_two.role} has CONNECT on database {dedicated_one.database}",
    ),
    Hole(
        "databases let in their own role only",
        "GRANT TEMP ON DATABASE {pooled_one.database} TO {pooled_one.role}",
        "REVOKE TEMP ON DATABASE {pooled_one.database} FROM {pooled_one.role}",
        None,
        "{pooled_one.role} has TEMPORARY on database {pooled_one.database}",
    ),
    Hole(
        "databases let in their own role only",
        "GRANT CONNECT ON DATABASE postgres TO PUBLIC",
        "REVOKE CONNECT ON DATABASE postgres FROM PUBLIC",
        None,
        "PUBLIC has CONNECT on database postgres",
    ),
    Hole(
        "every role is there",
        "ALTER ROLE {schema_two.role} RENAME TO loose_role",
        "ALTER ROLE loose_role RENAME TO {schema_two.role}",
        None,
        "the role {schema_two.role} is missing",
    ),
    Hole(
        "no role is left over",
        "CREATE ROLE t_000000000000",
        "DROP ROLE t_000000000000",
        None,
        "the role t_000000000000 is no tenant's",
        Level.WARNING,
    ),
    Hole(
        "every database is there",
        "UPDATE catalog.placement SET database = 't_ffffffffffff'"
        " WHERE database = '{dedicated_two.database}'",
        "UPDATE catalog.placement SET database = '{dedicated_two.database}'"
        " WHERE database = 't_ffffffffffff'",
        "catalog",
        "the database t_ffffffffffff is missing",
    ),
    Hole(
        "no database is left over",
        "CREATE DATABASE t_000000000000 OWNER {catalog}_owner",
        "DROP DATABASE t_000000000000",
        None,
        "the database t_000000000000 is no tenant's",
        Level.WARNING,
    ),
]

SERVERS = [
    Hole(
        "passwords are kept as scram",
        "CREATE ROLE loose_md5 LOGIN PASSWORD 'md5" + "0" * 32 + "'",
        "DROP ROLE loose_md5",
        None,
        "the password of loose_md5 is not SCRAM",
    ),
    Hole(
        "the log tells no patients",
        "ALTER DATABASE {dedicated_one.database} SET log_statement = 'all'",
        "ALTER DATABASE {dedicated_one.database} RESET log_statement",
        None,
        "log_statement is all for database {dedicated_one.database}",
        Level.WARNING,
    ),
]

INSTALLATION = [
    Hole(
        "the catalog is at the head",
        "UPDATE catalog.alembic_version SET version_num = '0' || version_num",
        "UPDATE catalog.alembic_version SET version_num = substr(version_num, 2)",
        "catalog",
        "the catalog is behind",
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
        "operations come to an end",
        "UPDATE catalog.operation SET state = 'running' WHERE tenant_slug = 'dedicated-one'",
        "UPDATE catalog.operation SET state = 'done' WHERE tenant_slug = 'dedicated-one'",
        "catalog",
        "provision of dedicated-one is running",
        Level.WARNING,
    ),
]

SETTINGS = [
    ("the version does not leak rows", {"server_version_num": "150019"}, "15.19 can leak rows"),
    ("the version does not leak rows", {"server_version_num": "140025"}, "gets no more fixes"),
    ("the version does not leak rows", {"server_version_num": "190001"}, "is not known here"),
    ("the log tells no patients", {"log_statement": "mod"}, "log_statement is mod"),
    ("the log tells no patients", {"log_min_duration_statement": "100"}, "log_min_duration"),
    ("the log tells no patients", {"log_min_error_statement": "error"}, "log_min_error_statement"),
    ("the log tells no patients", {"log_error_verbosity": "default"}, "log_error_verbosity"),
    ("the log tells no patients", {"log_parameter_max_length": "-1"}, "log_parameter_max_length"),
    ("the log tells no patients", {"log_parameter_max_length_on_error": "99"}, "on_error is 99"),
    ("the log tells no patients", {"log_min_messages": "debug2"}, "log_min_messages is debug2"),
    ("the log tells no patients", {"auto_explain.log_min_duration": "0"}, "auto_explain"),
    ("passwords are kept as scram", {"password_encryption": "md5"}, "password_encryption is md5"),
    ("tenants can move online", {"wal_level": "replica"}, "wal_level is replica"),
    ("there are connections enough", {"max_connections": "50"}, "workers may open"),
]


@pytest.fixture
def examine(fleet):
    """Examine the fleet, and return what is amiss."""

    def findings():
        with fleet.app.app_context():
            found = [finding for examine in examinations(read_fleet()) for finding in examine()]
        return [finding for finding in found if finding.level is not Level.OK]

    return findings


@pytest.fixture
def examine_where(fleet):
    """Examine only where a hole is, and return what is amiss."""

    def findings(found):
        with fleet.app.app_context():
            known = read_fleet()
            if found in ROLES or found in SERVERS:
                amiss = examining._examine_server(known, "default")
            elif found in INSTALLATION:
                amiss = examining._examine_installation(known)
            else:
                [place] = [p for p in known.places if p.name == fleet.database(found.of)]
                amiss = examining._examine_database(known, place)
        return [f for f in amiss if f.check == found.check and f.level is not Level.OK]

    return findings


@pytest.fixture
def examined_server(fleet):
    """The server as the doctor sees it, whose facts a test may change."""
    with fleet.app.app_context(), server_access().administer() as raw:
        yield ExaminedServer("default", raw, read_fleet())


def find_problems(check_name, scene, *, checks=SERVER_CHECKS, is_lenient=False):
    [check] = [check for check in checks if check.__name__ == check_name.replace(" ", "_")]
    found = find([check], scene, "here", is_lenient=is_lenient)
    return [finding for finding in found if finding.level is not Level.OK]


def test_a_healthy_fleet_has_no_errors(fleet):
    result = fleet.run("doctor", "--json")
    findings = json.loads(result.stdout)

    assert result.exit_code == 0
    assert {finding["level"] for finding in findings} == {"ok", "warning"}
    amiss = [f for f in findings if f["level"] == "warning"]
    assert {(f["check"], f["where"]) for f in amiss} <= {
        ("the secret cannot be guessed", "installation"),
        ("the version does not leak rows", "default"),
    }
    places = {finding["where"] for finding in findings}
    assert places == {"installation", "default"} | {
        f"default/{tenant.placement.database}" for tenant in fleet.tenants.values()
    }


def test_every_check_has_a_hole_here():
    holes = {hole.check for hole in (*WALLS, *ROLES, *SERVERS, *INSTALLATION)}
    by_hand = {
        "nobody is let in without scram",
        "the way to it is encrypted",
        "a crash is soon over",
        "the secret cannot be guessed",
    }
    checks = (*DATABASE_CHECKS, *ROLE_CHECKS, *SERVER_CHECKS, *INSTALLATION_CHECKS)

    names = {check.__name__.replace("_", " ") for check in checks}
    assert holes | by_hand | {name for name, *_ in SETTINGS} == names


@pytest.mark.parametrize(
    "found", [*WALLS, *ROLES, *SERVERS, *INSTALLATION], ids=lambda found: f"{found.made[:60]}"
)
def test_a_hole_is_found(fleet, examine_where, hole, found):
    before = examine_where(found)
    hole(found.made, found.mended, found.of)

    findings = examine_where(found)

    said = [f for f in findings if fleet.spell(found.says) in f.what]
    assert said, findings
    assert not set(said) & set(before)
    assert {f.level for f in said} == {found.level}
    assert all(f.remedy for f in said)


def test_a_mended_fleet_is_healthy_again(fleet, examine):
    assert not [f for f in examine() if f.level is Level.ERROR]


def test_an_error_is_told_to_people_and_in_the_exit_status(fleet, hole):
    hole(ROLES[0].made, ROLES[0].mended)

    result = fleet.run("doctor")

    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    role = fleet.tenants["dedicated-one"].placement.role
    assert lines[1].split()[:2] == ["error", "default"]
    assert f"{role} has SUPERUSER" in lines[1]
    assert f"ALTER ROLE {role} NOSUPERUSER;" in lines[1]
    assert lines[-1].startswith("1 errors, ")


@pytest.mark.parametrize(("check", "changed", "says"), SETTINGS)
def test_a_setting_is_found(examined_server, check, changed, says):
    before = find_problems(check, examined_server)
    examined_server.__dict__["settings"] = {**examined_server.settings, **changed}

    said = [f for f in find_problems(check, examined_server) if says in f.what]

    assert said
    assert not [f for f in before if says in f.what]


def test_a_leaking_version_is_an_error_where_patients_share_tables(examined_server):
    check = "the version does not leak rows"
    settings = {**examined_server.settings, "server_version_num": "180006"}
    examined_server.__dict__["settings"] = settings
    bare = replace(examined_server.fleet, places=[])
    without_pools = ExaminedServer("default", examined_server.raw, bare)
    without_pools.__dict__["settings"] = settings

    [in_production] = find_problems(check, examined_server)
    [in_development] = find_problems(check, examined_server, is_lenient=True)
    [elsewhere] = find_problems(check, without_pools)

    assert (in_production.level, in_development.level) == (Level.ERROR, Level.WARNING)
    assert elsewhere.level is Level.WARNING


@pytest.mark.parametrize("number", ["150020", "160016", "170012", "180007"])
def test_a_mended_version_is_fit(examined_server, number):
    examined_server.__dict__["settings"] = {"server_version_num": number}

    assert find_problems("the version does not leak rows", examined_server) == []


def test_many_databases_want_syncfs(examined_server, monkeypatch):
    check = "a crash is soon over"
    settings = {**examined_server.settings, "recovery_init_sync_method": "fsync"}
    examined_server.__dict__["settings"] = settings
    few = find_problems(check, examined_server)
    monkeypatch.setattr(servers, "MANY_DATABASES", 2)

    [many] = find_problems(check, examined_server)

    assert few == []
    assert "fsync" in many.what


@pytest.mark.parametrize("method", ["trust", "md5", "password"])
def test_a_line_that_trusts_is_found(examined_server, monkeypatch, method):
    def rows(_server, _statement):
        return [(3, "local", "peer"), (7, "host", method)]

    monkeypatch.setattr(ExaminedServer, "rows", rows)

    [found] = find_problems("nobody is let in without scram", examined_server)

    assert found.what == f"line 7 of pg_hba.conf lets host connections in by {method}"


class Elsewhere:
    """A connection to another machine, as psycopg2 describes it."""

    def __init__(self, host, mode):
        self.info = self
        self.host = host
        self.dsn_parameters = {"sslmode": mode}


@pytest.mark.parametrize(
    ("host", "mode", "is_encrypted", "says"),
    [
        ("db.example.org", "prefer", False, "connections are not encrypted"),
        ("db.example.org", "require", True, "sslmode is require"),
        ("db.example.org", "verify-full", True, None),
        ("127.0.0.1", "disable", False, None),
        ("/run/postgresql", "disable", False, None),
    ],
)
def test_the_way_to_another_machine_is_seen_to(
    examined_server, monkeypatch, host, mode, is_encrypted, says
):
    monkeypatch.setattr(ExaminedServer, "rows", lambda *_: [(is_encrypted,)])
    server = ExaminedServer("far", Elsewhere(host, mode), examined_server.fleet)

    found = find_problems("the way to it is encrypted", server)

    assert [f.what for f in found] == ([says] if says else [])


@pytest.mark.parametrize(
    ("secret", "says"),
    [
        ("changeme-changeme-changeme-changeme", "guessed first"),
        ("a" * 64, "little variety"),
        ("a1" * 32, "little variety"),
        ("kJ8vQ2mZxW5nRb7TgYc4HdLfUs9PoEiA3wBhXqNtMyVrCzKa", None),
    ],
)
def test_a_secret_that_can_be_guessed_is_found(examined_server, secret, says):
    known = examined_server.fleet
    fleet = KnownFleet(replace(known.settings, secret_key=secret), [], [], [])

    found = find_problems("the secret cannot be guessed", fleet, checks=INSTALLATION_CHECKS)

    assert bool(found) is bool(says)
    if says:
        assert says in found[0].what
        assert found[0].level is Level.ERROR
        assert secret not in f"{found[0].what} {found[0].remedy}"


def test_entropy_is_shannons():
    assert entropy_bits("ab") == 2
    assert entropy_bits("aaaa") == 0
    assert entropy_bits("abcd" * 8) == 64


def test_a_server_that_is_away_is_an_error_and_the_rest_is_examined(fleet, examine, monkeypatch):
    access = state_of(fleet.app).servers["default"]
    monkeypatch.setattr(
        "trially.doctor.examining.server_access",
        lambda _name: replace(
            access, admin_url=access.admin_url.set(username="nobody-at-all"), _kept={}
        ),
    )

    found = [f for f in examine() if f.check == "it can be examined"]

    assert {f.level for f in found} == {Level.ERROR}
    assert len(found) == 5
