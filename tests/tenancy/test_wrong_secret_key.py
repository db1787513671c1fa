"""A process with the secret key of another installation stops before it changes anything."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tenant_databases import ask

from trially import create_app
from trially.auth.members.managing import add_member
from trially.auth.roles import Role
from trially.config import ROOT
from trially.state import state_of
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.recorded_keys import WrongSecretKeyError, check_at_start
from trially.tenancy.schema.installing import install
from trially.tenancy.schema.lineages import CATALOG_LINEAGE

OTHER_KEY = "jT0yHq9mVw2xRb7LkZc4Nf8sPd1uGe6A"
WRONG = "TRIALLY_SECRET_KEY is not the secret key of this installation"
ON_CATALOG = ("db", "--directory", str(CATALOG_LINEAGE))
FIRST_WITH_FINGERPRINTS = 5


@pytest.fixture
def installation(blank_app):
    """An installation with a tenant."""
    own = blank_app()
    with own.app_context():
        install()
        create_tenant("acme", "Acme")
        with tenant_context("acme"):
            add_member("owner|1", Role.OWNER)
    yield own
    with own.app_context():
        control_engine().dispose()


@pytest.fixture
def stranger(installation, blank_app):
    """A process with another key on the same server and catalog."""
    other = blank_app(secret_key=OTHER_KEY)
    yield other
    with other.app_context():
        control_engine().dispose()


def snapshot(app):
    """Return everything on the server that a command of this installation could change."""
    catalog = state_of(app).settings.catalog_database
    tables = ask(
        app,
        "SELECT relname, relkind, relacl::text FROM pg_class"
        " WHERE relnamespace = 'catalog'::regnamespace ORDER BY 1",
        database=catalog,
    )
    return {
        "roles": ask(app, "SELECT pg_authid::text FROM pg_authid ORDER BY 1"),
        "databases": ask(app, "SELECT pg_database::text FROM pg_database ORDER BY 1"),
        "settings": ask(app, "SELECT pg_db_role_setting::text FROM pg_db_role_setting ORDER BY 1"),
        "tables": tables,
        "rows": [
            ask(app, f"SELECT each::text FROM catalog.{name} each ORDER BY 1", database=catalog)
            for name, kind, _ in tables
            if kind == "r"
        ],
    }


COMMANDS = [
    (*ON_CATALOG, "upgrade"),
    (*ON_CATALOG, "downgrade", "--yes"),
    (*ON_CATALOG, "stamp", "--yes", "head"),
    (*ON_CATALOG, "current"),
    ("db", "upgrade"),
    ("db", "current"),
    ("tenants", "create", "newkey", "--name", "New"),
    ("tenants", "list"),
    ("tenants", "suspend", "acme"),
    ("tenants", "members", "list", "acme"),
    ("tenants", "connections", "add", "acme", "con_1"),
    ("tenants", "revoke", "acme"),
    ("tenants", "token", "acme", "--role", "owner"),
    ("tenants", "prove"),
    ("servers", "list"),
    ("servers", "drain", "default"),
    ("servers", "add", "eu1", "--url", "postgresql://nobody@127.0.0.1:1/x"),
    ("operations", "list"),
    ("operations", "resume"),
    ("imports", "list", "acme"),
    ("doctor",),
    ("demo", "seed"),
]


@pytest.mark.parametrize("state", ["recorded", "earlier version", "reader was reset", "no catalog"])
def test_every_command_refuses_another_key_and_changes_nothing(installation, stranger, state):
    catalog = state_of(installation).settings.catalog_database
    commands = COMMANDS
    if state != "recorded":
        forget_fingerprint(installation)
        commands = COMMANDS[:1]  # Production asks for this one first.
    if state == "reader was reset":
        verifier = "(SELECT rolpassword FROM pg_authid WHERE rolname = '%s_reader')"
        set_password_of_other_key(installation, stranger)
        assert ask(installation, f"SELECT {verifier % catalog} IS NOT NULL") == [(True,)]
    if state == "no catalog":
        with installation.app_context():
            control_engine().dispose()
        ask(installation, f'DROP DATABASE "{catalog}" WITH (FORCE)')
        before = ask(installation, "SELECT pg_authid::text FROM pg_authid ORDER BY 1")
        result = stranger.test_cli_runner().invoke(args=COMMANDS[0])
        assert (result.exit_code, WRONG in result.output) == (1, True), result.output
        assert ask(installation, "SELECT pg_authid::text FROM pg_authid ORDER BY 1") == before
        return
    before = snapshot(installation)

    for command in commands:
        result = stranger.test_cli_runner().invoke(args=command)

        assert result.exit_code == 1, (command, result.output)
        assert WRONG in result.output, (command, result.output)
        assert len(result.output.splitlines()) == 1, (command, result.output)
    assert snapshot(installation) == before


def forget_fingerprint(app):
    """Make the catalog that of an earlier version."""
    result = app.test_cli_runner().invoke(args=(*ON_CATALOG, "downgrade", "--yes", "0004"))
    assert result.exit_code == 0, result.output


def set_password_of_other_key(app, stranger):
    """Do what the catalog's upgrade of earlier versions did with another key."""
    from psycopg2 import sql

    from trially.tenancy.servers.access import server_access
    from trially.tenancy.servers.connections import execute
    from trially.tenancy.servers.scram import scram_verifier

    reader = f"{state_of(app).settings.catalog_database}_reader"
    with stranger.app_context():
        access = server_access()
        with access.administer() as raw:
            execute(
                raw,
                sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                    sql.Identifier(reader),
                    sql.Literal(scram_verifier(access.role_password(reader))),
                ),
            )


@pytest.mark.parametrize("is_reader_reset", [False, True])
def test_an_upgrade_with_the_right_key_records_it_and_heals_the_reader(
    installation, stranger, is_reader_reset
):
    forget_fingerprint(installation)
    if is_reader_reset:
        set_password_of_other_key(installation, stranger)

    result = installation.test_cli_runner().invoke(args=(*ON_CATALOG, "upgrade"))

    assert result.exit_code == 0, result.output
    catalog = state_of(installation).settings.catalog_database
    assert ask(installation, "SELECT * FROM catalog.secret_key", database=catalog)[0][:2] == (
        state_of(installation).keys.newest,
        True,
    )
    with installation.app_context(), tenant_context("acme") as entry:
        assert entry.slug == "acme"


def test_a_server_refuses_another_key_at_its_start(installation, stranger):
    with pytest.raises(WrongSecretKeyError, match=WRONG):
        check_at_start(stranger)

    check_at_start(installation)


def test_a_server_starts_without_a_catalog_and_is_checked_later(
    installation, stranger, settings, caplog
):
    """The catalog may be unreachable or not yet created when a server starts."""
    away = create_app(
        replace(
            settings,
            database_url=state_of(installation).settings.database_url,
            catalog_database="not_yet_there",
        )
    )
    check_at_start(away)

    answers = [
        stranger.test_client().get("/readyz"),
        stranger.test_client().get("/api/v1/me", headers=token_of(stranger, "acme")),
    ]

    assert answers[0].json["checks"]["catalog"] in {"wrong secret key", "unreachable"}
    assert [answer.status_code for answer in answers] == [503, 503]
    # It cannot even log in as the catalog's reader.
    assert answers[1].json["code"] == "control_plane_unavailable"


def token_of(app, slug):
    token = state_of(app).dev_issuer.issue_token(subject="owner|1", tenant=slug)
    return {"Authorization": f"Bearer {token}"}


def test_a_running_server_stops_once_its_key_is_no_longer_recorded(installation, blank_app):
    serving = blank_app(placement_max_age_seconds=0)
    client, headers = serving.test_client(), token_of(serving, "acme")
    assert client.get("/api/v1/me", headers=headers).status_code == 200
    catalog = state_of(installation).settings.catalog_database
    ask(
        installation,
        "UPDATE catalog.secret_key SET fingerprint = 'fingerprint of another'",
        database=catalog,
    )

    answer = client.get("/api/v1/me", headers=headers)

    assert (answer.status_code, answer.json["code"]) == (503, "wrong_secret_key")
    assert client.get("/readyz").json["checks"]["catalog"] == "wrong secret key"


def test_gunicorn_does_not_start_with_another_key(installation, settings):
    code = "import wsgi"
    url = state_of(installation).settings.database_url
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "TRIALLY_DATABASE_URL": url.render_as_string(hide_password=False),
        "TRIALLY_CATALOG_DATABASE": state_of(installation).settings.catalog_database,
        "TRIALLY_ISSUERS": "https://login.example",
    }

    results = {
        key: subprocess.run(
            [sys.executable, "-c", code],
            env=environment | {"TRIALLY_SECRET_KEY": key},
            capture_output=True,
            text=True,
            cwd=Path(ROOT),
            timeout=60,
            check=False,
        )
        for key in (OTHER_KEY, settings.secret_key)
    }

    assert results[OTHER_KEY].returncode == 1
    assert f"trially cannot start. {WRONG}" in results[OTHER_KEY].stderr
    assert results[settings.secret_key].returncode == 0, results[settings.secret_key].stderr


def test_the_server_of_another_catalog_is_not_added(installation, settings):
    """Preparing it would set the password of the other catalog's reader."""
    catalog = state_of(installation).settings.catalog_database
    before = snapshot(installation)
    from trially.tenancy.servers.access import server_access
    from trially.tenancy.servers.probing import UnsuitableServerError
    from trially.tenancy.servers.registering import _refuse_other_installation

    with (
        installation.app_context(),
        server_access().administer() as raw,
        pytest.raises(UnsuitableServerError, match=f"has a database {catalog}"),
    ):
        _refuse_other_installation("eu1", raw)
    assert json.dumps(snapshot(installation)) == json.dumps(before)
