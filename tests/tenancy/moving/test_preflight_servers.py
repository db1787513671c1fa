"""What servers with odd settings, roles and transactions say against a move."""

from contextlib import closing

import pytest
from standbys import ask, server_folder, start

from trially.database.connecting import connect
from trially.tenancy.lifecycle.moving.server_checks import (
    check_decoding,
    check_retained_wal,
    check_source_rights,
    check_target_rights,
    check_transactions,
    names_in,
    sees_all_transactions,
)
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

OWNER = "odd_owner"


@pytest.fixture(scope="module")
def odd_server():
    """A server that cannot decode, and retains little WAL."""
    with server_folder() as folder:
        server = start(
            folder / "odd",
            wal_level="replica",
            max_replication_slots="0",
            max_wal_senders="0",
            max_prepared_transactions="1",
            max_slot_wal_keep_size="1MB",
            output_plugin_libraries='"pgoutput,test_decoding"',
        )
        ask(server, f"CREATE ROLE {OWNER} NOLOGIN")
        ask(server, "CREATE ROLE mover LOGIN PASSWORD 'mover'")
        ask(server, "CREATE TABLE filled AS SELECT generate_series(1, 100) AS number")
        yield server


@pytest.fixture
def raw(odd_server):
    with closing(connect(odd_server.url())) as raw:
        yield raw


@pytest.fixture
def as_mover(odd_server):
    url = odd_server.url().set(username="mover", password="mover")
    with closing(connect(url)) as raw:
        yield raw


def codes(blockers):
    return [blocker.code for blocker in blockers]


def test_a_server_that_cannot_decode_is_told_each_reason(raw):
    blockers = list(check_decoding(raw, "odd"))

    assert codes(blockers) == ["wal_level", "no_free_slot", "no_free_sender", "output_plugin"]
    wal_level, slots, _, plugin = map(str, blockers)
    assert "wal_level of the server 'odd' is replica. Set wal_level = logical" in wal_level
    assert "0 of 0 (max_replication_slots) are used" in slots
    assert "without pgoutput. A list in one pair of quotes is one name." in plugin


def test_a_server_that_can_decode_is_told_nothing(app):
    with app.app_context(), server_access().administer() as raw:
        assert list(check_decoding(raw, "default")) == []


def test_a_running_server_is_asked_for_its_output_plugins(app):
    with app.app_context(), server_access().administer() as raw:
        execute(raw, "ALTER SYSTEM SET output_plugin_libraries = test_decoding")
        execute(raw, "SELECT pg_reload_conf()")
    try:
        with app.app_context(), closing(connect(server_access().administrator_url())) as raw:
            [blocker] = check_decoding(raw, "default")
            assert blocker.code == "output_plugin"
            assert "is test_decoding, without pgoutput" in blocker.what
    finally:
        with app.app_context(), server_access().administer() as raw:
            execute(raw, "ALTER SYSTEM RESET output_plugin_libraries")
            execute(raw, "SELECT pg_reload_conf()")


@pytest.mark.parametrize(
    ("setting", "names"),
    [
        ("pgoutput, test_decoding", ["pgoutput", "test_decoding"]),
        ('"pgoutput,test_decoding"', ["pgoutput,test_decoding"]),
        ('"pgoutput", other', ["pgoutput", "other"]),
        ('"""pgoutput"""', ['"pgoutput"']),
        ('""', [""]),
        ("", []),
    ],
)
def test_a_quoted_list_of_libraries_is_one_name(setting, names):
    assert names_in(setting) == names


def test_a_role_without_rights_is_told_each_of_them(odd_server, as_mover):
    assert codes(check_source_rights(as_mover, "odd", OWNER)) == ["no_replication", "not_owner"]
    assert codes(check_target_rights(as_mover, "odd", OWNER)) == [
        "no_replication_role",
        "not_owner",
    ]

    ask(odd_server, "ALTER ROLE mover REPLICATION")
    ask(odd_server, "GRANT SET ON PARAMETER session_replication_role TO mover")
    ask(odd_server, f"GRANT {OWNER} TO mover")
    try:
        assert codes(check_source_rights(as_mover, "odd", OWNER)) == []
        assert codes(check_target_rights(as_mover, "odd", OWNER)) == []
        assert codes(check_source_rights(as_mover, "odd", "nobody")) == ["not_owner"]
    finally:
        ask(odd_server, "ALTER ROLE mover NOREPLICATION")
        ask(odd_server, "REVOKE SET ON PARAMETER session_replication_role FROM mover")
        ask(odd_server, f"REVOKE {OWNER} FROM mover")


def test_a_member_that_cannot_become_the_owner_is_told(odd_server, as_mover):
    ask(odd_server, f"GRANT {OWNER} TO mover WITH SET FALSE")
    try:
        assert codes(check_target_rights(as_mover, "odd", OWNER)) == [
            "no_replication_role",
            "not_owner",
        ]
    finally:
        ask(odd_server, f"REVOKE {OWNER} FROM mover")


def test_a_superuser_may_do_all(odd_server, raw):
    assert codes(check_source_rights(raw, "odd", OWNER)) == []
    assert codes(check_target_rights(raw, "odd", OWNER)) == []


def test_an_old_transaction_in_any_database_is_told_with_its_process(odd_server, raw):
    with closing(connect(odd_server.url("template1"))) as other:
        execute(other, "BEGIN; CREATE TEMPORARY TABLE written (number int)")
        process = other.info.backend_pid
        [blocker] = check_transactions(raw, "odd", seconds=0)
        young = list(check_transactions(raw, "odd", seconds=600))

    assert blocker.code == "old_transaction"
    assert f"process {process} " in blocker.what
    assert "in template1) has written in a transaction that is 0 s old" in blocker.what
    assert f"pg_terminate_backend({process})" in blocker.advice
    assert young == []


def test_a_transaction_that_only_reads_delays_no_slot(odd_server, raw):
    with closing(connect(odd_server.url())) as other:
        execute(other, "BEGIN; SELECT * FROM filled")
        assert list(check_transactions(raw, "odd", seconds=0)) == []


def test_a_prepared_transaction_is_told_with_its_name(odd_server, raw):
    with closing(connect(odd_server.url())) as other:
        execute(other, "BEGIN; INSERT INTO filled VALUES (0); PREPARE TRANSACTION 'left alone'")
    try:
        [blocker] = check_transactions(raw, "odd", seconds=0)
        assert "the prepared transaction 'left alone' in postgres" in blocker.what
        assert "ROLLBACK PREPARED 'left alone' in postgres" in blocker.advice
    finally:
        execute(raw, "ROLLBACK PREPARED 'left alone'")


def test_a_server_that_retains_less_wal_than_a_copy_takes_is_told(odd_server, raw):
    execute(raw, "INSERT INTO filled SELECT generate_series(1, 10000)")
    month = 30 * 86_400

    assert list(check_retained_wal(raw, "odd", seconds=0)) == []
    [blocker] = check_retained_wal(raw, "odd", seconds=month)
    assert blocker.code == "wal_limit"
    assert "retains at most 1 MiB of WAL" in blocker.what


def test_a_server_without_a_limit_is_told_nothing(app):
    with app.app_context(), server_access().administer() as raw:
        assert list(check_retained_wal(raw, "default", seconds=10**9)) == []


def test_the_mover_says_whether_it_sees_other_transactions(raw, as_mover):
    assert sees_all_transactions(raw)
    assert not sees_all_transactions(as_mover)
