"""A tenant moves between two servers that both have a replica.

What clients hold of the former server asks for nothing at the new one, and none gets an error:
read-after tokens, cursors of lists, and cached placements.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask
from standbys import (
    SERVED_TIERS,
    Client,
    Installation,
    ask,
    catch_up,
    install_on,
    server_folder,
    start,
    start_standby,
    text_of,
    url_of,
)
from werkzeug.test import TestResponse

from trially.config import Settings
from trially.database.replicas import ReplicaTracker
from trially.embedded_postgres.server import EmbeddedServer
from trially.http.read_after import HEADER
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.directory import directory
from trially.tenancy.lifecycle.moving.moves import MoveOptions, move_tenant

FIRST, SECOND = "default", "second"
MAX_LAG_SECONDS = 5.0
OPTIONS = MoveOptions(max_pause=5, give_up_seconds=30)


@dataclass
class Side:
    """A primary and its replica."""

    name: str
    primary: EmbeddedServer
    standby: EmbeddedServer

    def pause(self) -> None:
        """Let the replica show nothing new."""
        ask(self.standby, "SELECT pg_wal_replay_pause()")

    def go_on(self) -> None:
        ask(self.standby, "SELECT pg_wal_replay_resume()")


@dataclass
class Sides:
    """An installation on two servers with a replica each."""

    installation: Installation
    first: Side
    second: Side

    @property
    def app(self) -> Flask:
        return self.installation.app

    def stop_clocks(self) -> None:
        """Let no position grow old. The next request to a primary tells how far it is."""
        now = time.monotonic()
        for name in (FIRST, SECOND):
            state_of(self.app).replica_trackers[name] = ReplicaTracker(
                MAX_LAG_SECONDS, clock=lambda: now
            )

    def catch_up(self, client: Client) -> None:
        """Let both replicas have all, and the process know it."""
        self.stop_clocks()
        assert client.get("/sites").status_code == 200
        for side in (self.first, self.second):
            catch_up(side.standby, side.primary)

    def answered_by(self, request: Callable[[], TestResponse]) -> tuple[TestResponse, set[str]]:
        """Send a request, and return its response and the names of the replicas that were used."""
        before = self._checkouts()
        answer = request()
        after = self._checkouts()
        return answer, {name for name, number in after.items() if number > before.get(name, 0)}

    def _checkouts(self) -> dict[str, int]:
        return {
            name: budget.counts.hits + budget.counts.misses
            for name, budget in state_of(self.app).engines.budgets().items()
            if "@" in str(name)
        }

    def move(self, tenant: Tenant) -> None:
        with self.app.app_context():
            move_tenant(tenant.slug, None, SECOND, OPTIONS)


@pytest.fixture(scope="module")
def servers(settings: Settings) -> Iterator[Sides]:
    with server_folder() as folder:
        first, second = (_start(folder, name) for name in (FIRST, SECOND))
        installation = install_on(first.primary.url(), settings, folder)
        replica = {each.name: text_of(url_of(each.standby)) for each in (first, second)}
        for command in (
            ("servers", "change", FIRST, "--replica", replica[FIRST]),
            ("servers", "add", SECOND, "--url", text_of(url_of(second.primary))),
            ("servers", "change", SECOND, "--replica", replica[SECOND]),
        ):
            result = installation.run(*command)
            assert result.exit_code == 0, result.output
        yield Sides(installation, first, second)


def _start(folder: Path, name: str) -> Side:
    primary = start(folder / name)
    return Side(name, primary, start_standby(primary, folder / f"{name}-standby"))


@pytest.fixture
def sides(servers: Sides) -> Iterator[Sides]:
    """Both sides, with replicas that follow."""
    yield servers
    servers.first.go_on()
    servers.second.go_on()


@pytest.mark.parametrize("tier", SERVED_TIERS)
def test_tokens_and_cursors_of_the_former_server_are_served_at_the_new_one(
    sides: Sides, tier: Tier
) -> None:
    tenant = sides.installation.make_tenant(tier=tier)
    client = sides.installation.make_client(tenant)
    added = [client.add_site(f"A-{number}") for number in range(5)]
    last, token = f"/sites/{added[-1].json['id']}", added[-1].headers[HEADER]
    sides.catch_up(client)
    before, at_first = sides.answered_by(lambda: client.another().get("/sites?limit=2"))
    cursor = before.json["page"]["next"]

    sides.move(tenant)
    reader = client.another()
    at_once = reader.get(last, X_Read_After=token)
    sides.catch_up(reader)
    shown, shown_by = sides.answered_by(lambda: reader.get(last, X_Read_After=token))
    listed, listed_by = sides.answered_by(lambda: reader.get(f"/sites?limit=9&cursor={cursor}"))

    assert at_first == {"default@0"}
    assert (at_once.status_code, at_once.json["name"]) == (200, "A-4")
    assert (shown.status_code, shown.json["name"], shown_by) == (200, "A-4", {"second@0"})
    assert (listed.status_code, listed_by) == (200, {"second@0"})
    names = [each["name"] for page in (before, listed) for each in page.json["data"]]
    assert sorted(names) == [f"A-{number}" for number in range(5)]


@pytest.mark.parametrize("tier", SERVED_TIERS)
def test_a_replica_that_does_not_have_the_tenant_yet_is_not_asked_for_its_rows(
    sides: Sides, tier: Tier
) -> None:
    tenant = sides.installation.make_tenant(tier=tier)
    client = sides.installation.make_client(tenant)
    added = client.add_site("B-1")
    sides.catch_up(client)
    sides.second.pause()

    sides.move(tenant)
    former = client.another().get(f"/sites/{added.json['id']}", X_Read_After=added.headers[HEADER])
    written = client.add_site("B-2")
    seen = client.another().get(
        f"/sites/{written.json['id']}", X_Read_After=written.headers[HEADER]
    )

    assert (former.status_code, former.json["name"]) == (200, "B-1")
    assert (seen.status_code, seen.json["name"]) == (200, "B-2")
    assert written.headers[HEADER] != added.headers[HEADER]


def test_a_process_that_does_not_know_of_the_move_shows_what_was_written_after_it(
    sides: Sides,
) -> None:
    """The replica of the former server still has the guard of before: it lags."""
    tenant = sides.installation.make_tenant()
    client = sides.installation.make_client(tenant)
    client.add_site("C-1")
    sides.catch_up(client)
    with sides.app.app_context():
        stale = directory().find(tenant.slug)
    sides.first.pause()

    sides.move(tenant)
    written = client.add_site("C-2")
    with sides.app.app_context():
        directory()._entries.put(tenant.slug, stale)
    seen = client.another().get(
        f"/sites/{written.json['id']}", X_Read_After=written.headers[HEADER]
    )

    assert (seen.status_code, seen.json["name"]) == (200, "C-2")
