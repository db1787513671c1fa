"""Nobody but the operator's process reaches a recovered cluster, and it only reads."""

import datetime as dt
import json
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg2
import pytest
from barman_installations import BarmanInstallation
from flask import Flask
from members import MakePatient, MakeTenant
from sqlalchemy import URL
from tenant_databases import ask, placement_of

from benchmarks.barman import SERVER
from trially.database.connecting import connect
from trially.state import state_of
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.recovery.clusters import RecoveredCluster, cluster_of
from trially.tenancy.recovery.errors import EndOfWalError, OutsideIntervalError
from trially.tenancy.recovery.intervals import choose_backup, interval_of
from trially.tenancy.recovery.tools import tool_of
from trially.tenancy.recovery.wal_streams import store_until_now
from trially.tenancy.servers.access import FIRST_SERVER, server_access
from trially.tenancy.servers.connections import execute
from trially.tenancy.servers.registering import get_server

SETTINGS = (
    "SELECT name, setting FROM pg_settings WHERE name IN ('listen_addresses', 'archive_mode',"
    " 'primary_conninfo', 'in_hot_standby', 'data_directory_mode')"
)


@contextmanager
def recovered(app: Flask, at: dt.datetime) -> Iterator[tuple[RecoveredCluster, URL]]:
    """Run the cluster of the tests' server, recovered to a time."""
    with app.app_context():
        server = get_server(FIRST_SERVER)
        tool = tool_of(server)
        cluster = cluster_of(uuid4(), str(server_access().admin_url.username))
        try:
            store_until_now(server_access(), tool)
            cluster.create()
            backup = choose_backup(server, tool, at)
            cluster.configure(tool.lay(backup, at, cluster.directory), at)
            with cluster.running() as url:
                yield cluster, url
        finally:
            cluster.remove()


def test_only_the_operator_reaches_a_recovered_cluster(
    app: Flask,
    barman: BarmanInstallation,
    make_tenant: Callable[..., Any],
    as_member: Callable[..., Any],
    make_patient: MakePatient,
) -> None:
    tenant = make_tenant(Tier.DEDICATED_DATABASE)
    make_patient(as_member(tenant))
    placement = placement_of(app, tenant)
    ask(app, "SELECT pg_create_logical_replication_slot('of_tests', 'pgoutput')")
    try:
        with recovered(app, dt.datetime.now(dt.UTC)) as (cluster, url):
            with closing(connect(url)) as raw:
                found = dict(execute(raw, SETTINGS))
                slots = execute(raw, "SELECT slot_name FROM pg_replication_slots")
                with pytest.raises(psycopg2.Error, match="read-only"):
                    execute(raw, "CREATE TABLE written (id int)")
            for user in (placement.url.username, f"{settings_prefix(app)}_reader"):
                login = url.set(username=user, password=placement.url.password)
                with pytest.raises(psycopg2.OperationalError, match=r"no pg_hba\.conf entry"):
                    connect(login.set(database=placement.url.database))
            modes = [
                stat.S_IMODE(path.stat().st_mode)
                for path in (cluster.sockets, cluster.directory / "data")
            ]
    finally:
        ask(app, "SELECT pg_drop_replication_slot('of_tests')")

    assert found == {
        "listen_addresses": "",
        "archive_mode": "off",
        "primary_conninfo": "",
        "in_hot_standby": "on",
        "data_directory_mode": "0700",
    }
    assert slots == []
    assert modes == [0o700, 0o700]
    assert not cluster.directory.exists()
    assert not cluster.sockets.exists()


def test_the_last_stored_commit_is_reached_though_none_follows(
    app: Flask,
    barman: BarmanInstallation,
    make_tenant: Callable[..., Any],
    as_member: Callable[..., Any],
    make_patient: MakePatient,
) -> None:
    tenant = make_tenant(Tier.DEDICATED_DATABASE)
    patient = make_patient(as_member(tenant))
    time.sleep(1)  # The server of the tests writes WAL some moments after the commit.
    with app.app_context():
        server = get_server(FIRST_SERVER)
        tool = tool_of(server)
        cluster = cluster_of(uuid4(), str(server_access().admin_url.username))
        later = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
        try:
            cluster.create()
            laid = tool.lay(choose_backup(server, tool, later), later, cluster.directory)
            cluster.configure(laid, later)
            with pytest.raises(EndOfWalError) as end, cluster.running():
                pass
            last = end.value.last_commit
            assert last is not None
            cluster.configure(laid, last.astimezone(dt.timezone(dt.timedelta(hours=-5))))
            database = tenant.placement.database
            with cluster.running() as url, closing(connect(url.set(database=database))) as raw:
                found = execute(raw, "SELECT id::text FROM tenant.patient")
        finally:
            cluster.remove()

    assert found == [(patient["id"],)]


def test_times_outside_the_interval_are_refused_with_the_possible_ones(
    app: Flask, barman: BarmanInstallation, tenant: Any, run_command: Callable[..., Any]
) -> None:
    with app.app_context():
        interval = interval_of(get_server(FIRST_SERVER))
        oldest = interval.oldest
        assert oldest is not None
        tool = tool_of(get_server(FIRST_SERVER))
        with pytest.raises(OutsideIntervalError, match=re.escape(oldest.isoformat())):
            choose_backup(get_server(FIRST_SERVER), tool, oldest - dt.timedelta(seconds=1))

    def restore(time: str) -> str:
        options = ("--at", time, "--as", f"new-{uuid4().hex[:8]}")
        result = run_command("tenants", "restore", tenant.slug, *options)
        assert result.exit_code != 0
        return str(result.output)

    assert "time zone" in restore("2026-11-27T10:00:00")
    assert "in the future" in restore("2999-01-01T00:00:00Z")
    assert "did not exist" in restore("2001-01-01T00:00:00Z")


def test_the_state_of_a_server_says_what_is_stored(
    app: Flask, barman: BarmanInstallation, run_command: Callable[..., Any], tmp_path: Path
) -> None:
    shown = run_command("servers", "status")
    listed = run_command("servers", "backups", FIRST_SERVER)

    assert shown.exit_code == 0, shown.output
    assert f"barman:{barman_name(app)}" in shown.output
    assert listed.exit_code == 0, listed.output
    with app.app_context():
        interval = interval_of(get_server(FIRST_SERVER))
    assert interval.stream is not None
    assert interval.stream.is_streaming
    assert not interval.stream.is_lost
    assert interval.newest is not None
    file = tmp_path / "trially.prom"
    assert run_command("servers", "status", "--textfile", file).exit_code == 0
    assert f'trially_recovery_problems{{server="{FIRST_SERVER}"}} 0.0' in file.read_text()


def test_a_tenant_shows_what_would_be_lost_with_its_server(
    barman: BarmanInstallation, tenant: Any, run_command: Callable[..., Any], tmp_path: Path
) -> None:
    def shown() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            run_command("tenants", "show", tenant.slug, "--json").stdout
        )
        return found

    with_wal = shown()
    assert with_wal["recovery"].startswith("To any time from ")
    assert 0 <= with_wal["lost_at_most"] < 60
    former = f"barman:{SERVER}"
    run_command("servers", "change", FIRST_SERVER, "--backup", "none")
    try:
        without = shown()
        run_command("tenants", "backup", tenant.slug, "--to", tmp_path)
        with_archive = shown()
        [server] = [
            each
            for each in json.loads(run_command("servers", "status", "--json").stdout)
            if each["server"] == FIRST_SERVER
        ]
    finally:
        run_command("servers", "change", FIRST_SERVER, "--backup", former)

    assert "no archived WAL of the server" in without["recovery"]
    assert "no archive is known" in without["recovery"]
    assert without["lost_at_most"] is None
    assert "back to the newest archive" in with_archive["recovery"]
    assert with_archive["lost_at_most"] < 600
    assert "Without WAL" in server["problems"][0]


def test_a_certificate_says_what_base_backups_hold_and_how_long(
    barman: BarmanInstallation, make_tenant: MakeTenant, run_command: Callable[..., Any]
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    erased = run_command("tenants", "erase", tenant.slug, "--now", "--yes", tenant.slug, "--json")
    assert erased.exit_code == 0, erased.output
    certificate = json.loads(erased.stdout)["certificate"]

    name = f"base backups and WAL of the server {FIRST_SERVER}"
    [store] = [each for each in certificate["stores"] if each["store"] == name]
    assert store["after"] == store["before"] >= 1
    assert store["details"]["retention_policy"] == "RECOVERY WINDOW OF 14 DAYS"
    until = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=14)
    assert f"at least until {until}" in store["remains"]
    assert not [note for note in certificate["notes"] if FIRST_SERVER in note]


def settings_prefix(app: Flask) -> str:
    return state_of(app).settings.catalog_database


def barman_name(app: Flask) -> str:
    with app.app_context():
        return str(get_server(FIRST_SERVER).backup).removeprefix("barman:")
