"""The secret key is changed while the service runs, on two servers and in every tier."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from sqlalchemy import text
from standbys import (
    SERVED_TIERS,
    Client,
    Installation,
    ask,
    install_on,
    server_folder,
    start,
    stop_server,
    text_of,
)

from trially import create_app
from trially.auth.members.managing import add_member
from trially.auth.roles import Role
from trially.config import ROOT
from trially.database.session import db
from trially.state import state_of
from trially.tenancy.catalog_reader import catalog_reader
from trially.tenancy.catalog_sessions import control_engine, reader_engine
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.servers.access import server_access

SECOND = "second"
KEYS = itertools.cycle(
    (
        "jT0yHq9mVw2xRb7LkZc4Nf8sPd1uGe6A",
        "Qm5vXz3rBt8nKw1yLd6pJh0gFs9cAe2U",
        "Ue7iOp4aSd9fGh2jKl6zXc1vBn8mQw3R",
    )
)


@dataclass
class World:
    """Two servers with tenants of every tier, and the key of the installation."""

    folder: Path
    first: object
    second: object
    settings: object
    key: str
    tenants: list = field(default_factory=list)

    def process(self, key, previous="", **changes):
        """Return a process with these keys. It does not install anything."""
        app = create_app(
            replace(
                self.settings,
                database_url=self.first.url(),
                instance=self.folder / "instance",
                embedded_settings={},
                secret_key=key,
                previous_secret_key=previous,
                **changes,
            )
        )
        app.testing = True
        app.config["PROPAGATE_EXCEPTIONS"] = False
        return Installation(app)

    def verifiers(self):
        return {
            name: ask(server, "SELECT rolname, rolpassword FROM pg_authid ORDER BY 1")
            for name, server in (("first", self.first), ("second", self.second))
        }


@pytest.fixture(scope="module")
def world(settings):
    with server_folder() as folder:
        first, second = start(folder / "first"), start(folder / "second")
        key = next(KEYS)
        world = World(folder, first, second, replace(settings, secret_key=key), key)
        installation = install_on(first.url(), world.settings, folder)
        added = installation.run("servers", "add", SECOND, "--url", "-", says=text_of(second.url()))
        assert added.exit_code == 0, added.output
        for server in ("default", SECOND):
            for tier in SERVED_TIERS:
                with installation.app.app_context():
                    slug = f"{server}-{tier}".replace("_", "-")
                    tenant = create_tenant(slug, slug, tier=tier, server=server)
                    with tenant_context(slug):
                        add_member("owner|1", Role.ADMIN)
                world.tenants.append(tenant)
        dispose(installation)
        yield world


def dispose(installation):
    """Close the connections of a process, as its end would, after its sign-ins were recorded."""
    state_of(installation.app).usage.stop()
    with installation.app.app_context():
        deadline = time.monotonic() + 5
        while catalog_reader()._running and time.monotonic() < deadline:
            time.sleep(0.01)
        for engine in list(db.engines.values()):
            engine.dispose()


def close_idle(installation):
    """Close the connections to tenants, so that the next requests log in."""
    with installation.app.app_context():
        for name, engine in list(db.engines.items()):
            if name != "control":
                engine.pool.dispose() if name == "catalog" else engine.dispose()


def clients_of(world, installation):
    return [Client(installation.app, tenant, "owner|1") for tenant in world.tenants]


def rotate(installation, *options, yes=("--yes",)):
    return installation.run("keys", "rotate", *options, *yes)


def status(installation):
    result = installation.run("keys", "status", "--json")
    return result.exit_code, json.loads(result.output)


def test_the_key_is_changed_under_load_without_an_error(world):
    old, new = world.key, next(KEYS)
    serving = world.process(new, old, placement_max_age_seconds=0)
    operating = world.process(new, old)
    clients = clients_of(world, serving)
    answers, is_over = [], threading.Event()
    before = world.verifiers()

    def work(client, number):
        for turn in itertools.count():
            if is_over.is_set():
                return
            answer = client.add_patient(f"{new[:4]}-{number}-{turn}")
            answers.append((answer.status_code, answer.json))
            # Every request opens a new connection, which must find the right password.
            engine_of(serving, client).dispose()

    threads = [
        threading.Thread(target=work, args=(client, number))
        for number, client in enumerate(clients)
    ]
    for thread in threads:
        thread.start()
    try:
        time.sleep(1)
        assert status(operating)[0] == 1
        planned = rotate(operating, "--dry-run")
        assert planned.exit_code == 0, planned.output
        assert world.verifiers() == before

        result = rotate(operating)

        time.sleep(1)
    finally:
        is_over.set()
        for thread in threads:
            thread.join()

    assert result.exit_code == 0, result.output
    assert len(answers) > 2 * len(clients)
    assert {code for code, _ in answers} == {201}, [a for a in answers if a[0] != 201][:3]
    exit_code, found = status(operating)
    assert (exit_code, found["may_remove_previous"]) == (0, True)
    assert [server["previous"] for server in found["servers"]] == [0, 0]
    assert found["servers"][1]["stored_password"] == "new"
    dispose(serving)
    dispose(operating)

    after = world.process(new)
    assert status(after)[0] == 0
    for client in clients_of(world, after):
        assert client.get("/patients").status_code == 200
    dispose(after)
    world.key = new


def engine_of(installation, client):
    with installation.app.app_context():
        place = client._tenant.placement
        return db.engines[f"{place.server.name}/{place.database}"]


def test_cursors_and_tokens_are_accepted_from_before_to_after(world):
    old, new = world.key, next(KEYS)
    earlier = world.process(old)
    client = clients_of(world, earlier)[0]
    for number in range(3):
        client.add_patient(f"cursor-{new[:4]}-{number}")
    cursor_of_old = client.get("/patients?limit=1").json["page"]["next"]

    both = world.process(new, old)
    [client_of_both, *_] = clients_of(world, both)
    assert client_of_both.get(f"/patients?limit=1&cursor={cursor_of_old}").status_code == 200
    # Before the rotation, processes with the old key alone still run, and must accept cursors.
    cursor_of_both = client_of_both.get("/patients?limit=1").json["page"]["next"]
    assert client.get(f"/patients?limit=1&cursor={cursor_of_both}").status_code == 200
    dispose(earlier)

    result = rotate(both)

    assert result.exit_code == 0, result.output
    assert client_of_both.get(f"/patients?limit=1&cursor={cursor_of_old}").status_code == 200
    cursor_of_new = client_of_both.get("/patients?limit=1").json["page"]["next"]
    dispose(both)
    last = world.process(new)
    [client, *_] = clients_of(world, last)
    assert client.get(f"/patients?limit=1&cursor={cursor_of_new}").status_code == 200
    assert client.get(f"/patients?limit=1&cursor={cursor_of_old}").json["code"] == "invalid_cursor"
    dispose(last)
    world.key = new


def test_a_process_with_the_old_key_alone_is_noticed_before_and_refused_after(world):
    old, new = world.key, next(KEYS)
    late = world.process(old, placement_max_age_seconds=0)
    [client, *_] = clients_of(world, late)
    assert client.get("/me").status_code == 200
    both = world.process(new, old)
    before = world.verifiers()

    refused = rotate(both)

    assert refused.exit_code == 1
    assert "sessions of processes without the new key read the catalog" in refused.output
    assert world.verifiers() == before
    assert client.get("/me").status_code == 200

    assert rotate(both, "--force").exit_code == 0

    answer = client.get("/me")
    assert (answer.status_code, answer.json["code"]) == (503, "wrong_secret_key")
    command = late.run("tenants", "list")
    assert command.exit_code == 1
    assert "The secret key of this installation has been changed" in command.output or (
        "TRIALLY_SECRET_KEY is not the secret key of this installation" in command.output
    )
    close_idle(late)
    answer = client.get("/me")
    assert (answer.status_code, answer.json["code"]) == (503, "database_login_refused")
    dispose(late)
    dispose(both)
    world.key = new


@pytest.mark.parametrize("killed_after", [0, 1, 3, 5])
def test_a_killed_rotation_is_continued(world, killed_after):
    old, new = world.key, next(KEYS)
    script = Path(__file__).with_name("killed_rotation.py")
    environment = {name: value for name, value in os.environ.items() if "TRIALLY" not in name}
    process = subprocess.run(
        [sys.executable, script, str(killed_after)],
        env=environment
        | {
            "PYTHONPATH": str(ROOT),
            "TRIALLY_DEVELOPMENT": "1",
            "TRIALLY_INSTANCE": str(world.folder / "instance"),
            "TRIALLY_DATABASE_URL": text_of(world.first.url()),
            "TRIALLY_SECRET_KEY": new,
            "TRIALLY_PREVIOUS_SECRET_KEY": old,
        },
        timeout=60,
        check=False,
        capture_output=True,
        text=True,
    )
    assert process.returncode == -signal.SIGKILL, process.stderr
    both = world.process(new, old)
    exit_code, found = status(both)
    assert exit_code == 1
    assert sum(server["new"] for server in found["servers"]) == killed_after
    for client in clients_of(world, both):
        assert client.get("/me").status_code == 200
    alone = world.process(new)
    assert "is being changed" in alone.run("tenants", "list").output

    result = rotate(both)

    assert result.exit_code == 0, result.output
    assert status(both)[0] == 0
    dispose(both)
    world.key = new


def test_a_rotation_can_be_turned_back(world):
    old, new = world.key, next(KEYS)
    forth, back = world.process(new, old), world.process(old, new)
    with forth.app.app_context():
        from trially.tenancy.lifecycle.key_rotation import begin_rotation
        from trially.tenancy.schema.catalog_revision import require_catalog

        require_catalog()
        with begin_rotation() as rotation:
            next(rotation.run())
    assert status(forth)[0] == 1
    dispose(forth)

    result = rotate(back)

    assert result.exit_code == 0, result.output
    dispose(back)
    assert status(world.process(old))[0] == 0


def test_a_tenant_whose_server_is_down_is_named_and_stops_no_other(world):
    old, new = world.key, next(KEYS)
    both = world.process(new, old)
    with both.app.app_context():
        assert control_engine().connect().execute(text("SELECT 1")).scalar() == 1
        server_access(SECOND)
    stop_server(world.folder / "second")
    try:
        result = rotate(both)
    finally:
        start(world.folder / "second")

    assert result.exit_code == 1
    assert "second cannot be examined" in result.output
    for tier in SERVED_TIERS:
        assert f"second-{tier}".replace("_", "-") in result.output
    exit_code, found = status(both)
    assert exit_code == 1
    assert [server["previous"] for server in found["servers"]] == [0, 4]
    for client in clients_of(world, both):
        assert client.get("/me").status_code == 200

    assert rotate(both).exit_code == 0
    dispose(both)
    world.key = new


def test_older_sessions_are_ended_on_request(world):
    old, new = world.key, next(KEYS)
    both = world.process(new, old)
    clients = clients_of(world, both)
    assert {client.get("/me").status_code for client in clients} == {200}
    sessions = "SELECT pid FROM pg_stat_activity WHERE usename ~ '^[st]_' ORDER BY 1"
    before = ask(world.first, sessions) + ask(world.second, sessions)

    result = rotate(both, "--end-sessions")

    assert result.exit_code == 0, result.output
    after = ask(world.first, sessions) + ask(world.second, sessions)
    assert before
    assert not set(before) & set(after)
    assert {client.get("/me").status_code for client in clients} == {200}
    dispose(both)
    world.key = new


def test_a_lost_key_is_replaced(world):
    new = next(KEYS)
    alone = world.process(new)
    assert "is not the secret key" in rotate(alone).output
    assert rotate(alone, "--previous-is-lost", yes=()).exit_code == 1  # Not confirmed.

    result = rotate(alone, "--previous-is-lost")

    assert result.exit_code == 1
    assert "The stored password of the server second cannot be decrypted" in result.output
    changed = alone.run("servers", "change", SECOND, "--url", "-", says=text_of(world.second.url()))
    assert changed.exit_code == 0, changed.output
    assert rotate(alone).exit_code == 0
    for client in clients_of(world, alone):
        assert client.get("/me").status_code == 200
    dispose(alone)
    world.key = new


def test_an_administrator_who_is_no_superuser_asks_by_logging_in(world):
    """Cloud providers do not let administrators read the verifiers in pg_authid."""
    from trially.tenancy.servers.role_keys import KeyOfRole, find_keys

    key, other = world.key, next(KEYS)
    process = world.process(key, other)
    roles = {tenant.placement.database: tenant.placement.database for tenant in world.tenants[:3]}
    with process.app.app_context():
        access = server_access()
        with access.administer() as raw, raw.cursor() as cursor:
            cursor.execute("CREATE ROLE plain CREATEROLE")
            try:
                expected = find_keys(access, raw, {**roles, "absent": "postgres"})
                cursor.execute("SET ROLE plain")
                found = find_keys(access, raw, {**roles, "absent": "postgres"})
            finally:
                cursor.execute("RESET ROLE; DROP ROLE plain")
    assert found == expected
    assert set(found.values()) == {state_of(process.app).keys.newest, KeyOfRole.MISSING}
    with process.app.app_context():
        reader_engine().dispose()
    dispose(process)


def test_reports_are_signed_again_while_the_key_is_changed(world, tmp_path):
    old, new = world.key, next(KEYS)
    report = tmp_path / "proof.json"
    before = world.process(old)
    slugs = [tenant.slug for tenant in world.tenants[:2]]
    proved = before.run("tenants", "prove", *slugs, "--attackers", "1", "--out", str(report))
    assert report.exists(), proved.output
    original = report.read_bytes()
    dispose(before)

    both = world.process(new, old)
    assert "rotation has not begun" in both.run("keys", "sign-again", str(report)).output
    assert "secret key is being changed" in both.run("tenants", "prove", *slugs).output
    assert both.run("tenants", "prove", "--verify", str(report)).exit_code == 0
    assert rotate(both).exit_code == 0
    forged = tmp_path / "forged.json"
    forged.write_bytes(original.replace(b'"seed": ', b'"seed": 1'))
    assert both.run("keys", "sign-again", str(report), str(forged)).exit_code == 1
    assert report.read_bytes() == original
    signed = both.run("keys", "sign-again", str(report))
    assert signed.exit_code == 0, signed.output
    dispose(both)

    after = world.process(new)
    assert after.run("tenants", "prove", "--verify", str(report)).exit_code == 0
    report.write_bytes(original)
    assert "earlier secret key" in after.run("tenants", "prove", "--verify", str(report)).output
    dispose(after)
    world.key = new
