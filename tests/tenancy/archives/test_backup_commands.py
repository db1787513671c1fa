"""The commands of archives, as operators use them."""

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import current_thread
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from flask import Flask
from members import Member
from psycopg2 import sql
from sqlalchemy import update

from trially.config import ROOT
from trially.state import state_of
from trially.tenancy.archives import backups, writing
from trially.tenancy.archives.ages import read_ages
from trially.tenancy.archives.backup_runs import one_at_a_time
from trially.tenancy.archives.backups import BackupOptions, back_up, back_up_many, slugs_to_back_up
from trially.tenancy.archives.errors import HiddenRowsError, MovedMeanwhileError
from trially.tenancy.archives.finding import archives_of
from trially.tenancy.archives.places import UnusablePlaceError, new_file
from trially.tenancy.archives.signals import rows_loaded
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import TenantStatus, Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.lifecycle.held_snapshots import LongSnapshotError
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.lifecycle.moving.sides import side_of

MakeMember = Callable[[Tier], Member]
Run = Callable[..., Any]

POOLED = Tier.POOLED_ROWS


@pytest.fixture
def back_up_one(run_command: Run, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Back up a tenant by the command, and return what it printed."""

    def run(member: Member, *options: str) -> dict[str, Any]:
        words = ("tenants", "backup", member.tenant.slug, "--to", tmp_path, "--json")
        result = run_command(*words, *options)
        assert result.exit_code == 0, result.output
        [printed] = json.loads(result.stdout)
        return dict(printed)

    return run


def test_a_backup_is_listed_shown_and_verified(
    run_command: Run, make_member: MakeMember, back_up_one: Callable[..., dict[str, Any]]
) -> None:
    member, neighbour = make_member(POOLED), make_member(POOLED)
    slug = member.tenant.slug
    archive = back_up_one(member)["archive"]

    [listed] = json.loads(run_command("backups", "list", slug, "--json").stdout)
    assert (listed["id"], listed["verified"]) == (archive, "never")
    assert json.loads(run_command("backups", "list", neighbour.tenant.slug, "--json").stdout) == []
    assert json.loads(run_command("tenants", "show", slug, "--json").stdout)["last_backup"]
    assert not json.loads(run_command("tenants", "show", neighbour.tenant.slug, "--json").stdout)[
        "last_backup"
    ]

    verified = run_command("backups", "verify", slug, "--json")
    assert verified.exit_code == 0, verified.output
    assert [each["result"] for each in json.loads(verified.stdout)] == ["all rows equal"]
    shown = json.loads(run_command("backups", "show", archive, "--json").stdout)
    assert shown["verified_at"]
    assert "all rows equal" in shown["verified"]
    assert "verify-" not in run_command("tenants", "list").stdout


def test_a_damaged_archive_is_found_by_verifying_and_recorded(
    run_command: Run, make_member: MakeMember, back_up_one: Callable[..., dict[str, Any]]
) -> None:
    member = make_member(POOLED)
    printed = back_up_one(member)
    path = Path(urlsplit(printed["url"]).path)
    path.write_bytes(path.read_bytes()[:-100])

    verified = run_command("backups", "verify", member.tenant.slug, "--json")
    assert verified.exit_code == 1
    assert "could not be restored" in verified.output
    shown = json.loads(run_command("backups", "show", printed["archive"], "--json").stdout)
    assert "damaged or incomplete" in shown["verified"]


def test_one_archive_is_read_without_trially_and_with_its_own_key_alone(
    run_command: Run,
    make_member: MakeMember,
    back_up_one: Callable[..., dict[str, Any]],
    tmp_path: Path,
) -> None:
    member = make_member(POOLED)
    one, another = back_up_one(member), back_up_one(member)
    refused = run_command("backups", "key", one["archive"])
    assert refused.exit_code == 1
    assert "AGE-SECRET-KEY" not in refused.output
    keys = [
        run_command("backups", "key", each["archive"], "--yes").stdout.strip()
        for each in (one, another)
    ]
    assert keys[0].startswith("AGE-SECRET-KEY-1")
    assert keys[0] != keys[1]

    def read(key: str, folder: Path) -> "subprocess.CompletedProcess[str]":
        program = [sys.executable, ROOT / "tools" / "read_archive.py"]
        words = [*program, urlsplit(one["url"]).path, key, folder]
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)

    opened = read(keys[0], tmp_path / "opened")
    assert opened.returncode == 0, opened.stderr
    assert member.tenant.slug in opened.stdout
    patients = (tmp_path / "opened" / "patient.copy").read_text().splitlines()
    assert len(patients) == 3
    expected = {each["id"] for each in member.get("/patients").json["data"]}
    manifest = json.loads((tmp_path / "opened" / "manifest.json").read_text())
    [table] = [each for each in manifest["tables"] if each["name"] == "patient"]
    place = table["columns"].index("id")
    assert {line.split("\t")[place] for line in patients} == expected
    assert read(keys[1], tmp_path / "closed").returncode != 0
    assert len((ROOT / "tools" / "read_archive.py").read_text().splitlines()) <= 60


def test_keep_removes_what_the_rule_does_not_keep_after_it_has_asked(
    app: Flask,
    run_command: Run,
    make_member: MakeMember,
    back_up_one: Callable[..., dict[str, Any]],
) -> None:
    member, neighbour = make_member(POOLED), make_member(POOLED)
    first, of_neighbour = back_up_one(member), back_up_one(neighbour)
    back_up_one(neighbour)
    refused = run_command("tenants", "backup", member.tenant.slug, "--keep", "1d")
    assert refused.exit_code == 1
    assert Path(urlsplit(first["url"]).path).is_file()

    second = back_up_one(member, "--keep", "1d", "--yes")
    assert not Path(urlsplit(first["url"]).path).exists()
    assert Path(urlsplit(of_neighbour["url"]).path).is_file()
    with app.app_context():
        assert [str(each.id) for each in archives_of(member.tenant.id)] == [second["archive"]]
        assert len(archives_of(neighbour.tenant.id)) == 2

    dry = run_command("backups", "prune", neighbour.tenant.slug, "--keep", "1d", "--dry-run")
    assert of_neighbour["archive"] in dry.stdout
    assert Path(urlsplit(of_neighbour["url"]).path).is_file()
    pruned = run_command("backups", "prune", neighbour.tenant.slug, "--keep", "1d", "--yes")
    assert pruned.exit_code == 0, pruned.output
    assert not Path(urlsplit(of_neighbour["url"]).path).exists()


def test_a_failed_backup_is_named_and_removes_nothing(
    app: Flask, run_command: Run, make_member: MakeMember, tmp_path: Path
) -> None:
    member, broken = make_member(POOLED), make_member(POOLED)
    with app.app_context():
        back_up(broken.tenant.slug, BackupOptions(tmp_path.as_uri()))
        with catalog_transaction() as session:
            session.execute(
                update(Tenant)
                .where(Tenant.id == broken.tenant.id)
                .values(status=TenantStatus.PROVISIONING)
            )
    slugs = (member.tenant.slug, broken.tenant.slug)
    result = run_command(
        *("tenants", "backup", *slugs, "--to", tmp_path, "--keep", "1d", "--yes", "--quiet")
    )
    try:
        assert result.exit_code == 1
        assert f"1 tenant could not be backed up: {broken.tenant.slug}" in result.output
        assert member.tenant.slug not in result.output
        with app.app_context():
            assert len(archives_of(member.tenant.id)) == 1
            assert len(archives_of(broken.tenant.id)) == 1
    finally:
        with app.app_context(), catalog_transaction() as session:
            session.execute(
                update(Tenant)
                .where(Tenant.id == broken.tenant.id)
                .values(status=TenantStatus.ACTIVE)
            )


def test_a_quiet_backup_prints_nothing(
    run_command: Run, make_member: MakeMember, tmp_path: Path
) -> None:
    slug = make_member(POOLED).tenant.slug
    result = run_command("tenants", "backup", slug, "--to", tmp_path, "--quiet")
    assert (result.exit_code, result.output) == (0, "")


def test_one_process_at_a_time_backs_up_all_tenants(app: Flask, run_command: Run) -> None:
    with app.app_context(), one_at_a_time():
        result = run_command("tenants", "backup", "--all")
    assert result.exit_code == 1
    assert "Another process is backing up all tenants" in result.output


def test_all_begins_with_the_oldest_backup_and_skips_young_ones(
    app: Flask, make_member: MakeMember, tmp_path: Path
) -> None:
    member, never = make_member(POOLED), make_member(POOLED)
    with app.app_context():
        back_up(member.tenant.slug, BackupOptions(tmp_path.as_uri()))
        slugs = slugs_to_back_up(None)
        assert slugs.index(never.tenant.slug) < slugs.index(member.tenant.slug)
        young = slugs_to_back_up(dt.timedelta(hours=1))
        assert never.tenant.slug in young
        assert member.tenant.slug not in young


def test_the_metrics_say_who_has_no_backup(
    app: Flask, make_member: MakeMember, tmp_path: Path
) -> None:
    member = make_member(POOLED)
    with app.app_context():
        state = state_of(app)
        state.backup_ages = None
        before = read_ages()
        back_up(member.tenant.slug, BackupOptions(tmp_path.as_uri()))
        assert read_ages() is before
        state.backup_ages = None
        assert read_ages().tenants_without == before.tenants_without - 1
        assert read_ages().oldest_seconds >= 0


def test_a_snapshot_that_is_held_too_long_is_stopped_with_an_alarm(
    app: Flask, make_member: MakeMember, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    member = make_member(POOLED)
    options = BackupOptions(tmp_path.as_uri(), longest_seconds=0.2)
    with app.app_context(), locked(member.tenant):
        with pytest.raises(LongSnapshotError, match="vacuum"):
            back_up(member.tenant.slug, options)
        [failed] = back_up_many([member.tenant.slug], options, workers=1)
        assert failed.error is not None
        alarms = [each.levelname for each in caplog.records if "held too long" in each.message]
        assert alarms == ["CRITICAL", "CRITICAL"]
        assert archives_of(member.tenant.id) == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_workers_stay_within_the_budget_of_connections(
    app: Flask, make_member: MakeMember, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slugs = [make_member(POOLED).tenant.slug for _ in range(3)]
    state, threads, write = state_of(app), set(), backups.write_archive

    def note_and_write(*arguments: Any) -> Any:
        threads.add(current_thread().name)
        return write(*arguments)

    monkeypatch.setattr(backups, "write_archive", note_and_write)
    budget = backups.CONNECTIONS
    monkeypatch.setattr(state, "settings", replace(state.settings, connections_per_server=budget))
    with app.app_context():
        done = list(back_up_many(slugs, BackupOptions(tmp_path.as_uri()), workers=8))

    assert {each.slug for each in done if each.error is None} == set(slugs)
    assert len(threads) == 1


@contextmanager
def locked(tenant: Tenant) -> Iterator[None]:
    """Lock a table of a tenant, as a migration does, so that a backup waits."""
    with side_of(tenant.placement).administered() as raw, raw.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE tenant.site IN ACCESS EXCLUSIVE MODE")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")


@pytest.fixture
def other_policy(app: Flask, make_member: MakeMember) -> Iterator[Member]:
    """A member of a tenant in a pool, one table of which has a second policy."""
    member = make_member(POOLED)
    create = "CREATE POLICY hides ON tenant.site AS RESTRICTIVE USING (name <> 'x')"
    with app.app_context(), side_of(member.tenant.placement).administered() as raw:
        raw.cursor().execute(create)
        try:
            yield member
        finally:
            raw.cursor().execute("DROP POLICY hides ON tenant.site")


def test_a_backup_that_may_be_short_is_refused(
    app: Flask, other_policy: Member, tmp_path: Path
) -> None:
    with app.app_context(), pytest.raises(HiddenRowsError, match="site may hide rows"):
        back_up(other_policy.tenant.slug, BackupOptions(tmp_path.as_uri()))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_backup_of_a_placement_that_the_tenant_has_left_is_refused(
    app: Flask, make_member: MakeMember, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = make_member(POOLED)
    take, calls = writing.take_snapshot, []

    def moves_first(session: Any, tenant: Tenant) -> Any:
        calls.append(tenant)
        if len(calls) == 1:
            tenant.placement.epoch -= 1
        return take(session, tenant)

    monkeypatch.setattr(writing, "take_snapshot", moves_first)
    options = BackupOptions(tmp_path.as_uri())
    with app.app_context():
        with pytest.raises(MovedMeanwhileError):
            back_up(member.tenant.slug, options)
        calls.clear()
        [again] = back_up_many([member.tenant.slug], options, workers=1)
        assert again.error is None
        assert len(calls) == 2


def test_an_interrupted_file_does_not_exist(tmp_path: Path) -> None:
    def fail() -> None:
        with new_file(f"{tmp_path.as_uri()}/tenant/one.trially") as file:
            file.write(b"x" * 20_000_000)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("url", ["ftp://host/a", "s3://", "file://host/a/b", "nothing:"])
def test_a_place_that_cannot_be_used_is_named(url: str) -> None:
    with pytest.raises(UnusablePlaceError), new_file(url):
        pass


def test_rows_that_must_not_come_back_are_deleted_before_the_tenant_is_served(
    run_command: Run, make_member: MakeMember, back_up_one: Callable[..., dict[str, Any]]
) -> None:
    member = make_member(POOLED)
    archive = back_up_one(member)["archive"]
    told = []

    def erase(record: Any, source_tenant_id: Any, snapshot_at: Any) -> None:
        told.append((source_tenant_id, snapshot_at.tzinfo is not None))
        side = side_of(record)
        with side.writing() as session:
            session.run(
                sql.SQL("DELETE FROM {} WHERE {}").format(side.table("patient"), side.is_tenants)
            )

    slug = f"restored-{uuid4().hex[:8]}"
    with rows_loaded.connected_to(erase):
        result = run_command("tenants", "restore", archive, "--as", slug)
    assert result.exit_code == 0, result.output
    assert told == [(member.tenant.id, True)]
    with member.app.app_context(), side_of(get_tenant(slug).placement).reading() as session:
        assert session.run("SELECT count(*) FROM patient") == [(0,)]
    assert len(member.get("/patients").json["data"]) == 3
