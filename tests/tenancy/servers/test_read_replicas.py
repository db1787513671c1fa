import time
from collections.abc import Iterator
from functools import partial

import pytest
from moves import switch
from sqlalchemy import text
from standbys import (
    SERVED_TIERS,
    ask,
    catch_up,
    install_on,
    kill,
    server_folder,
    start,
    start_standby,
    text_of,
    url_of,
)

from trially.database.changes import note_derived
from trially.database.placement import ReplicaPlacement, enter_placement, on_replica
from trially.database.replicas import ReplicaTracker
from trially.database.session import db
from trially.http.contract import stores_results
from trially.http.read_after import COOKIE, HEADER
from trially.state import state_of
from trially.tenancy.context import tenant_context
from trially.tenancy.directory import directory
from trially.tenancy.lifecycle.status import resume_tenant, suspend_tenant

REPLICA = "default@0"
MAX_LAG_SECONDS = 5.0


class Pair:
    """A primary, the standby that is its replica, and an installation on them."""

    def __init__(self, folder, settings):
        self.standby_directory = folder / "standby"
        self.primary = start(folder / "primary")
        self.installation = install_on(self.primary.url(), settings, folder)
        self.app = self.installation.app
        self.standby = start_standby(self.primary, self.standby_directory)
        result = self.installation.run(
            "servers", "change", "default", "--replica", text_of(url_of(self.standby))
        )
        assert result.exit_code == 0, result.output
        self.now = 0.0

    def stop_clock(self):
        """Let no position grow old, unless `now` is moved."""
        self.now = time.monotonic()
        state_of(self.app).replica_trackers["default"] = ReplicaTracker(
            MAX_LAG_SECONDS, clock=lambda: self.now
        )

    def replica_checkouts(self):
        """Count the requests that the replica has answered."""
        budget = state_of(self.app).engines.budgets().get(REPLICA)
        return budget.counts.hits + budget.counts.misses if budget else 0

    def send(self, request):
        """Send a request, and return its response and whether the replica was used."""
        before = self.replica_checkouts()
        answer = request()
        return answer, self.replica_checkouts() > before


@pytest.fixture(scope="module")
def servers(settings) -> Iterator[Pair]:
    with server_folder() as folder:
        yield Pair(folder, settings)


@pytest.fixture
def pair(servers):
    """The pair, with the replica caught up and no position recorded."""
    servers.stop_clock()
    ask(servers.standby, "SELECT pg_wal_replay_resume()")
    yield servers
    ask(servers.standby, "SELECT pg_wal_replay_resume()")


@pytest.fixture
def client(pair):
    """A member of a tenant that the replica has; the primary has answered them once."""
    client = pair.installation.make_client(pair.installation.make_tenant())
    pair.stop_clock()
    assert client.get("/sites").status_code == 200
    catch_up(pair.standby, pair.primary)
    return client


@pytest.mark.parametrize("tier", SERVED_TIERS)
def test_reads_go_to_a_replica_and_writes_to_the_primary(pair, tier):
    client = pair.installation.make_client(pair.installation.make_tenant(tier=tier))
    added, was_added_there = pair.send(lambda: client.add_site("A-1"))
    client.add_patient("A-1")
    catch_up(pair.standby, pair.primary)

    shown, was_shown_there = pair.send(lambda: client.get(f"/sites/{added.json['id']}"))
    counted, was_counted_there = pair.send(lambda: client.get("/patients/count"))

    assert (added.status_code, was_added_there) == (201, False)
    assert (shown.status_code, shown.json["name"], was_shown_there) == (200, "A-1", True)
    assert (counted.json, was_counted_there) == ({"count": 1}, True)


def test_an_answer_that_shows_patients_comes_from_the_primary(pair, client):
    """Its audit record is written with it."""
    added = client.add_patient("P-1")
    catch_up(pair.standby, pair.primary)

    shown, was_shown_there = pair.send(lambda: client.get(f"/patients/{added.json['id']}"))
    listed, was_listed_there = pair.send(lambda: client.get("/patients"))
    found, was_found_there = pair.send(lambda: client.post("/patients/search", {"mrn": "P-1"}))

    assert (shown.status_code, listed.status_code, found.status_code) == (200, 200, 200)
    assert (was_shown_there, was_listed_there, was_found_there) == (False, False, False)


@pytest.mark.parametrize("shows", ["header", "cookie"])
def test_clients_read_what_they_have_written(pair, client, shows):
    ask(pair.standby, "SELECT pg_wal_replay_pause()")
    added = client.add_site("B-1")
    path = f"/sites/{added.json['id']}"
    stranger = client.another()

    seen = (
        stranger.get(path, X_Read_After=added.headers[HEADER])
        if shows == "header"
        else client.get(path)
    )
    unseen, was_used = pair.send(lambda: stranger.another().get(path))

    assert seen.status_code == 200
    assert (unseen.status_code, was_used) == (404, True)


def test_a_replica_that_has_caught_up_answers_after_a_write(pair, client):
    added = client.add_site("C-1")
    catch_up(pair.standby, pair.primary)

    shown, was_used = pair.send(lambda: client.get(f"/sites/{added.json['id']}"))

    assert (shown.status_code, was_used) == (200, True)


def test_a_replica_beyond_the_maximum_lag_is_not_used(pair, client):
    ask(pair.standby, "SELECT pg_wal_replay_pause()")
    added = client.add_site("D-1")
    pair.now = time.monotonic() + MAX_LAG_SECONDS + 1
    stranger = client.another()
    path = f"/sites/{added.json['id']}"

    forgotten, was_used_at_first = pair.send(lambda: stranger.get(path))
    pair.now = time.monotonic()
    stranger.get(path)
    refused, was_used = pair.send(lambda: stranger.get(path))
    left_alone, was_used_again = pair.send(lambda: stranger.get(path))

    assert [answer.status_code for answer in (forgotten, refused, left_alone)] == [200] * 3
    assert (was_used_at_first, was_used, was_used_again) == (False, True, False)


def test_a_stale_epoch_is_refused_by_the_replica_too(pair, client):
    slug = client._tenant.slug
    with pair.app.app_context():
        stale = directory().find(slug)
        suspend_tenant(slug)
        resume_tenant(slug)
        directory()._entries.put(slug, stale)
    catch_up(pair.standby, pair.primary)

    answer, was_used = pair.send(lambda: client.get("/sites"))

    with pair.app.app_context():
        assert directory().find(slug).placement.epoch == stale.placement.epoch + 2
    assert (answer.status_code, was_used) == (200, True)


def test_a_replica_with_an_earlier_epoch_is_not_used(pair, client):
    ask(pair.standby, "SELECT pg_wal_replay_pause()")
    slug = client._tenant.slug
    with pair.app.app_context():
        suspend_tenant(slug)
        resume_tenant(slug)

    answer, was_used = pair.send(lambda: client.get("/sites"))

    assert (answer.status_code, was_used) == (200, True)


def test_a_token_of_before_a_move_asks_for_nothing(pair):
    tenant = pair.installation.make_tenant()
    client = pair.installation.make_client(tenant)
    pair.stop_clock()
    added = client.add_site("M-1")
    catch_up(pair.standby, pair.primary)
    shown_by = partial(
        client.another().get, f"/sites/{added.json['id']}", X_Read_After=added.headers[HEADER]
    )

    switch(pair.app, tenant)
    first = shown_by()
    pair.stop_clock()
    assert client.get("/sites").status_code == 200
    catch_up(pair.standby, pair.primary)
    second, was_used = pair.send(shown_by)

    assert (first.status_code, second.status_code, was_used) == (200, 200, True)
    assert client.add_site("M-2").headers[HEADER] != added.headers[HEADER]


def test_a_suspended_tenant_is_refused_once_the_replica_has_replayed_it(pair, client):
    slug = client._tenant.slug
    with pair.app.app_context():
        stale = directory().find(slug)
        suspend_tenant(slug)
        directory()._entries.put(slug, stale)
    catch_up(pair.standby, pair.primary)

    answer, was_used = pair.send(lambda: client.get("/sites"))

    assert (answer.status_code, was_used) == (403, True)


def test_a_member_that_the_replica_lacks_is_read_from_the_primary(pair, client):
    ask(pair.standby, "SELECT pg_wal_replay_pause()")
    newcomer = pair.installation.make_client(client._tenant)

    answer, was_used = pair.send(lambda: newcomer.get("/sites"))

    assert (answer.status_code, was_used) == (200, True)


def test_a_token_of_another_tenant_leads_to_the_primary(pair, client):
    other = pair.installation.make_client(pair.installation.make_tenant())
    foreign = other.add_site("E-1").headers[HEADER]
    catch_up(pair.standby, pair.primary)

    for token in (foreign, "nonsense", "ä"):
        answer, was_used = pair.send(partial(client.get, "/sites", X_Read_After=token))
        assert (answer.status_code, was_used) == (200, False)


def test_only_a_change_returns_a_read_token(pair, client):
    added, read = client.add_site("F-1"), client.get("/sites")
    [cookie] = added.headers.getlist("Set-Cookie")

    assert cookie.startswith(f"{COOKIE}={added.headers[HEADER]};")
    assert {"HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))
    assert HEADER not in read.headers
    assert "Set-Cookie" not in read.headers


def test_what_is_done_on_a_replica_only_reads_and_holds_the_tenants_lock(pair, client):
    with pair.app.app_context(), tenant_context(client._tenant.slug) as entry:
        enter_placement(on_replica(entry.placement, 0, 0))
        row = db.session.execute(
            text(
                "SELECT pg_is_in_recovery(), current_setting('transaction_read_only'),"
                " count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock'"
                " AND pid = pg_backend_pid()"
            )
        ).one()

    assert tuple(row) == (True, "on", 1)


def test_a_view_that_writes_after_all_is_answered_by_the_primary(pair, client, monkeypatch):
    def write(query):
        db.session.execute(text("UPDATE patient SET mrn = mrn"))
        note_derived("patient")
        return {"count": 0}

    view = pair.app.view_functions["patients.count_patients"]
    write.__dict__.update(view.__dict__)
    monkeypatch.setitem(pair.app.view_functions, "patients.count_patients", write)

    answer, was_used = pair.send(lambda: client.get("/patients/count"))

    assert (answer.status_code, was_used) == (200, True)


def test_a_view_that_stores_its_results_is_answered_by_the_primary(pair, client, monkeypatch):
    def count(query):
        return {"count": 0}

    views = pair.app.view_functions
    count.__dict__.update(views["patients.count_patients"].__dict__)
    monkeypatch.setitem(views, "patients.count_patients", stores_results(count))

    answer, was_used = pair.send(lambda: client.get("/patients/count"))

    assert (answer.status_code, was_used) == (200, False)


def test_without_replicas_there_are_no_positions_and_no_read_tokens(
    app, shared_member, make_patient
):
    answer = shared_member.post("/sites", json={"name": "Alone"})

    assert answer.status_code == 201
    assert HEADER not in answer.headers
    assert "Set-Cookie" not in answer.headers
    with app.app_context(), tenant_context(str(shared_member.tenant.id)) as entry:
        assert entry.placement.replicas == ()
        assert not isinstance(entry.placement, ReplicaPlacement)


def test_the_primary_answers_when_the_replica_is_gone(pair, client):
    _, was_used_before = pair.send(lambda: client.get("/sites"))
    kill(pair.standby_directory)

    answers = [client.get("/sites").status_code for _ in range(3)]
    start(pair.standby_directory)

    assert was_used_before
    assert answers == [200] * 3
