from contextlib import closing
from threading import Thread
from time import monotonic, sleep

import pytest
from psycopg2 import Error, errors
from tenant_databases import access_of, as_tenant, ask_in, placement_of

from trially.database.connecting import connect
from trially.tenancy.schema import guard
from trially.tenancy.schema.guard import record_placement
from trially.tenancy.servers.connections import execute

ANSWERS = {"TR001": "stale", "TR002": "suspended"}


def enter(raw, tenant, epoch):
    """Open a transaction as the dialect does, and return the guard's answer."""
    try:
        return execute(raw, f"BEGIN; SELECT trially.enter('{tenant.id}', {epoch})")[0][0]
    except Error as error:
        execute(raw, "ROLLBACK")
        return ANSWERS[error.pgcode]


def wait_until_blocked(administrator):
    deadline = monotonic() + 5
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    while execute(administrator, waiting) == [(0,)]:
        assert monotonic() < deadline, "No session waits for the lock."
        sleep(0.005)


@pytest.mark.parametrize(
    ("epoch", "is_suspended", "answer"),
    [(1, False, "entered"), (2, False, "stale"), (0, False, "stale"), (1, True, "suspended")],
)
def test_the_guard_checks_epoch_and_state(app, tenant, epoch, is_suspended, answer):
    with access_of(app).administer(tenant.placement.database) as administrator:
        record_placement(administrator, tenant.id, epoch, is_suspended=is_suspended)

    with as_tenant(app, tenant) as raw:
        assert enter(raw, tenant, 1) == answer


def test_another_tenants_id_is_stale(app, tenant, make_tenant):
    with as_tenant(app, tenant) as raw:
        assert enter(raw, make_tenant(), 1) == "stale"


def test_a_transaction_that_waited_for_the_lock_sees_the_new_epoch(app, tenant):
    """The guard reads the epoch after it has the lock, so its snapshot is newer than the wait."""
    answers = []

    def work():
        with as_tenant(app, tenant) as raw:
            answers.append(enter(raw, tenant, 1))
            execute(raw, "ROLLBACK")

    with access_of(app).administer(tenant.placement.database) as administrator:
        execute(
            administrator,
            "BEGIN; SELECT pg_advisory_xact_lock(uuid_hash_extended(%s, 0))",
            str(tenant.id),
        )
        threads = [Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        wait_until_blocked(administrator)
        execute(administrator, "UPDATE trially.placement SET epoch = 2")
        execute(administrator, "COMMIT")
        for thread in threads:
            thread.join(10)

    assert answers == ["stale", "stale"]


def test_no_transaction_of_an_old_epoch_commits_after_the_change(app, tenant):
    flipped = []

    def flip():
        with access_of(app).administer(tenant.placement.database) as administrator:
            record_placement(administrator, tenant.id, 2, is_suspended=False)
            flipped.append(monotonic())

    with as_tenant(app, tenant) as raw:
        assert enter(raw, tenant, 1) == "entered"
        thread = Thread(target=flip)
        thread.start()
        with closing(connect(access_of(app).admin_url)) as watcher:
            wait_until_blocked(watcher)
        assert flipped == []
        execute(raw, "COMMIT")
        thread.join(10)
        assert len(flipped) == 1
        assert enter(raw, tenant, 1) == "stale"


def test_a_change_of_placement_times_out(app, tenant, monkeypatch):
    monkeypatch.setattr(guard, "LOCK_TIMEOUT_SECONDS", 0.05)

    with as_tenant(app, tenant) as raw:
        enter(raw, tenant, 1)
        with (
            access_of(app).administer(tenant.placement.database) as administrator,
            pytest.raises(errors.LockNotAvailable),
        ):
            record_placement(administrator, tenant.id, 2, is_suspended=False)
        execute(raw, "COMMIT")
        assert enter(raw, tenant, 1) == "entered"


def test_the_callers_search_path_has_no_effect(app, tenant):
    with as_tenant(app, tenant) as raw:
        execute(raw, "SET search_path = pg_temp, tenant, trially")
        assert enter(raw, tenant, 1) == "entered"
        execute(raw, "ROLLBACK; SET ROLE NONE; SET search_path = nowhere")
        assert enter(raw, tenant, 2) == "stale"


def test_a_tenants_role_may_analyze_its_tables(app, tenant):
    with as_tenant(app, tenant) as raw:
        execute(raw, "SELECT trially.analyze_tables()")
    assert placement_of(app, tenant).epoch == 1


def test_only_tables_that_have_grown_are_analyzed(app, tenant):
    """Else each small import would sample all large tables of its tenant."""
    insert = (
        "INSERT INTO tenant.import_job (tenant_id, id, source, fingerprint)"
        " SELECT %s, gen_random_uuid(), repeat('x', 64), '' FROM generate_series(1, %s)"
    )
    rows = "SELECT reltuples FROM pg_class WHERE oid = 'tenant.import_job'::regclass"

    def analyze(added):
        ask_in(app, tenant, insert, tenant.id, added)
        with as_tenant(app, tenant) as raw:
            execute(raw, "SELECT trially.analyze_tables()")
        return ask_in(app, tenant, rows)[0][0]

    assert analyze(1_000) == 1_000
    assert analyze(10) == 1_000
    assert analyze(1_000) == 2_010
