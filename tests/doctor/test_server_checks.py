"""The checks of a server's version, settings and connections, on changed facts."""

import datetime as dt
from dataclasses import replace
from uuid import uuid4

import pytest
from checking import problems_of
from server_holes import SETTINGS
from sqlalchemy import text

from trially.database.session import db
from trially.doctor import base_backups, servers
from trially.doctor.examined_server import ExaminedServer
from trially.doctor.examining import ALL_SERVER_CHECKS
from trially.doctor.findings import Level
from trially.doctor.fleet import TenantDatabase, read_fleet
from trially.doctor.references import ServerReferences
from trially.state import state_of
from trially.tenancy.catalog import Server
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.recovery.base_backups import BaseBackup
from trially.tenancy.recovery.intervals import Interval
from trially.tenancy.servers.access import server_access
from trially.tenancy.tiers import TIERS


@pytest.fixture
def examined_server(app):
    """The server as the doctor sees it, with facts that a test may change."""
    with app.app_context(), server_access().administer() as raw:
        references = ServerReferences(server_access(), "unused")
        yield ExaminedServer("default", raw, read_fleet(), references)


def find_problems(name, server, **options):
    return problems_of(name, server, ALL_SERVER_CHECKS, **options)


def holding(server, *tiers, settings):
    """Return a server with one database of each tier, and other settings."""
    databases = [TenantDatabase("default", f"s_{tier}", TIERS[tier], []) for tier in tiers]
    holding = replace(server, fleet=replace(server.fleet, databases=databases))
    holding.__dict__["settings"] = {**server.settings, **settings}
    return holding


@pytest.mark.parametrize(("check", "changed", "text"), SETTINGS)
def test_a_setting_is_found(examined_server, check, changed, text):
    before = find_problems(check, examined_server)
    examined_server.__dict__["settings"] = {**examined_server.settings, **changed}

    matching = [f for f in find_problems(check, examined_server) if text in f.what]

    assert matching
    assert not [f for f in before if text in f.what]


def test_a_leaking_version_is_an_error_where_row_security_is_a_wall(examined_server):
    check = "the version does not leak rows"
    leaking = {"server_version_num": "180006"}
    with_pool = holding(examined_server, Tier.OWN_SCHEMA, Tier.POOLED_ROWS, settings=leaking)
    without_pool = holding(
        examined_server, Tier.DEDICATED_DATABASE, Tier.OWN_SCHEMA, settings=leaking
    )

    [in_production] = find_problems(check, with_pool)
    [in_development] = find_problems(check, with_pool, in_development=True)
    [elsewhere] = find_problems(check, without_pool)

    assert (in_production.level, in_development.level) == (Level.ERROR, Level.WARNING)
    assert in_production.remedy == "Update to 18.7. Until then store no patients in pooled_rows."
    assert elsewhere.level is Level.WARNING


@pytest.mark.parametrize("number", ["150020", "160016", "170012", "180007"])
def test_a_fixed_version_is_accepted(examined_server, number):
    fixed = holding(examined_server, Tier.POOLED_ROWS, settings={"server_version_num": number})

    assert find_problems("the version does not leak rows", fixed) == []


ARCHIVED = "archived wal has a base backup"


def test_archived_wal_that_no_tool_is_known_for_is_found(examined_server):
    assert find_problems(ARCHIVED, examined_server) == []
    archiving = {"archive_mode": "on", "archive_command": "cp %p /wal/%f"}
    examined_server.__dict__["settings"] = {**examined_server.settings, **archiving}

    [problem] = find_problems(ARCHIVED, examined_server)

    assert "no base backups are known" in problem.what
    assert problem.remedy == "Run `flask servers change default --backup barman:NAME`."


@pytest.mark.parametrize(
    ("days", "what"),
    [([], "no base backup"), ([30, 9], "newest base backup is 9 days old"), ([9, 1], None)],
)
def test_a_missing_or_old_base_backup_is_found(examined_server, monkeypatch, days, what):
    now = dt.datetime.now(dt.UTC)
    taken = [BaseBackup(str(age), now - dt.timedelta(days=age), 1) for age in days]
    interval = Interval("default", "barman:main", taken, now)
    monkeypatch.setattr(base_backups, "interval_of", lambda _: interval)

    found = find_problems(ARCHIVED, examined_server)

    assert [(what in each.what, each.remedy) for each in found] == (
        [(True, "Run `flask servers backup default`.")] if what else []
    )


def test_a_tool_that_cannot_be_asked_is_named(app, examined_server, monkeypatch):
    state = state_of(app)
    monkeypatch.setattr(state, "settings", replace(state.settings, barman="no-such-program"))
    server = Server(id=uuid4(), name="default", backup="barman:absent")
    monkeypatch.setattr(base_backups, "get_server", lambda _: server)

    [problem] = find_problems(ARCHIVED, examined_server)

    assert "cannot be seen from here" in problem.what
    assert problem.remedy == "Run `flask servers status` where barman:absent is."


def test_many_databases_need_syncfs(examined_server, monkeypatch):
    check, slow = "crash recovery is fast", {"recovery_init_sync_method": "fsync"}
    monkeypatch.setattr(servers, "MANY_DATABASES", 2)

    few = find_problems(check, holding(examined_server, Tier.OWN_SCHEMA, settings=slow))
    [many] = find_problems(
        check, holding(examined_server, Tier.OWN_SCHEMA, Tier.POOLED_ROWS, settings=slow)
    )

    assert few == []
    assert "fsync" in many.what


@pytest.mark.parametrize(
    ("transactions", "sessions", "is_found"),
    [(1_000_000, 100_001, True), (1_000_000, 100_000, False), (999_999, 999_999, False)],
)
def test_connections_that_are_rarely_reused_are_a_warning(
    examined_server, monkeypatch, transactions, sessions, is_found
):
    check = "requests find open connections"
    counted = f"SELECT {transactions}, {sessions}"
    monkeypatch.setattr(servers, "COUNTED_SESSIONS", f"{counted} WHERE %s IS NOT NULL")

    found = find_problems(check, examined_server)

    assert [each.what for each in found] == (
        ["10% of 1,000,000 transactions began with a new connection"] if is_found else []
    )


def test_the_connections_to_tenants_databases_are_counted(tenant, examined_server):
    with tenant_context(tenant.slug):
        db.session.execute(text("SELECT 1"))

    names = [each.name for each in examined_server.tenant_databases]
    [(transactions, sessions)] = examined_server.rows(servers.COUNTED_SESSIONS, names)

    assert names
    assert transactions >= 1
    assert sessions >= 1


@pytest.mark.parametrize(
    ("processes", "tiers", "named"),
    [
        (2, [Tier.DEDICATED_DATABASE, Tier.POOLED_ROWS], []),
        (14, [Tier.DEDICATED_DATABASE, Tier.POOLED_ROWS], ["TRIALLY_CONNECTIONS_PER_TENANT"]),
        (14, [Tier.POOLED_ROWS], []),
        (
            26,
            [Tier.DEDICATED_DATABASE, Tier.OWN_SCHEMA],
            ["TRIALLY_CONNECTIONS_PER_TENANT", "TRIALLY_CONNECTIONS_PER_SHARED_DATABASE"],
        ),
    ],
)
def test_more_processes_than_a_roles_limit_are_a_warning(examined_server, processes, tiers, named):
    server = holding(examined_server, *tiers, settings={})
    settings = replace(server.fleet.settings, processes=processes)
    server = replace(server, fleet=replace(server.fleet, settings=settings))

    problems = find_problems("connection limits fit the threads", server)

    assert {problem.level for problem in problems} <= {Level.WARNING}
    assert len(problems) == len(named)
    assert all(name in problem.what for name, problem in zip(named, problems, strict=True))


@pytest.mark.parametrize("method", ["trust", "md5", "password"])
def test_a_line_with_an_insecure_method_is_found(examined_server, monkeypatch, method):
    def rows(_server, _statement):
        return [(3, "local", "peer"), (7, "host", method)]

    monkeypatch.setattr(ExaminedServer, "rows", rows)

    [problem] = find_problems("pg hba allows no insecure method", examined_server)

    assert problem.what == f"pg_hba.conf line 7 allows {method} for host connections"


class Elsewhere:
    """A connection to another machine, as psycopg2 describes it."""

    def __init__(self, host, mode):
        self.info = self
        self.host = host
        self.dsn_parameters = {"sslmode": mode}


@pytest.mark.parametrize(
    ("host", "mode", "is_encrypted", "text"),
    [
        ("db.example.org", "prefer", False, "connections are not encrypted"),
        ("db.example.org", "require", True, "sslmode is require"),
        ("db.example.org", "verify-full", True, None),
        ("127.0.0.1", "disable", False, None),
        ("/run/postgresql", "disable", False, None),
    ],
)
def test_connections_to_another_machine_are_checked(
    examined_server, monkeypatch, host, mode, is_encrypted, text
):
    monkeypatch.setattr(ExaminedServer, "rows", lambda *_: [(is_encrypted,)])
    server = replace(examined_server, raw=Elsewhere(host, mode))

    problems = find_problems("remote connections are encrypted", server)

    assert [problem.what for problem in problems] == ([text] if text else [])
