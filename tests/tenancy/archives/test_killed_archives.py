"""A backup or a restore is killed at each step. The old or the new state is left, never neither."""

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from killed_programs import run_killed
from members import AsMember, MakePatient, MakeTenant, Member
from moved_tenants import left_behind, placements_of, writable_sides

from trially.config import Settings
from trially.tenancy.archives.adopting import adopt_archives
from trially.tenancy.archives.backup_runs import ABANDONED_SECONDS, remove_unfinished
from trially.tenancy.archives.backups import BackupOptions, back_up
from trially.tenancy.archives.finding import archives_of
from trially.tenancy.archives.loading import NOT_LOADED
from trially.tenancy.archives.replacing import REPLACE
from trially.tenancy.archives.restoring import RESTORE, RestoreOptions, restore_as, verify_before
from trially.tenancy.catalog_choices import OperationState, Tier
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.lifecycle.moving.settling import settle
from trially.tenancy.lifecycle.operations import (
    run_operation,
    undo_operation,
    unfinished_operations,
)
from trially.tenancy.names import UnknownTenantError

POOLED, DEDICATED, SCHEMA = Tier.POOLED_ROWS, Tier.DEDICATED_DATABASE, Tier.OWN_SCHEMA
PROGRAM = Path(__file__).with_name("killed_archives.py")

RESTORES = [
    *((step.name, "done", DEDICATED) for step in RESTORE.steps[:-1]),
    *((step, "recorded", POOLED) for step in ("create_data_key", "load_rows", "index_members")),
    *(
        ("load_rows", f"before_{function}", DEDICATED)
        for function in ("load_rows", "compare_rows", "create_keys", "finish_rows")
    ),
]
BEFORE_SWITCH = [
    *(f"{step.name}:{state}" for step in REPLACE.steps[:2] for state in ("done", "recorded")),
    "lock",
]
IN_SWITCH = ["fence", "open", "switch"]
AFTER_SWITCH = ["unlock", "index_members:done"]
REPLACED = [(POOLED, DEDICATED), (SCHEMA, SCHEMA)]


@dataclass
class Killed:
    """A tenant whose replacement was killed."""

    member: Member
    archived: set[str]
    later: str

    @property
    def shown(self) -> set[str]:
        answer = self.member.get("/patients")
        assert answer.status_code == 200, answer.text
        return {each["id"] for each in answer.json["data"]}


def folder_of(tmp: pytest.TempPathFactory) -> Path:
    folder = tmp.mktemp("archives")
    folder.chmod(0o777)
    return folder


@pytest.fixture(scope="module")
def make_patients(
    make_tenant: MakeTenant, as_member: AsMember, make_patient: MakePatient
) -> Callable[[Tier], Member]:
    def make(tier: Tier) -> Member:
        member = as_member(make_tenant(tier))
        for _ in range(2):
            make_patient(member)
        return member

    return make


@pytest.fixture(scope="module")
def restored(
    app: Flask,
    settings: Settings,
    make_patients: Callable[[Tier], Member],
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """Kill a restore at each moment, and return the URL of the archive."""
    member = make_patients(POOLED)
    with app.app_context():
        place = folder_of(tmp_path_factory).as_uri()
        url = back_up(member.tenant.slug, BackupOptions(place)).url
    lines = [
        f"restore {url} {slug_of(step, state, end)} {tier} {step}:{state}"
        for step, state, tier in RESTORES
        for end in ("finished", "undone")
    ]
    run_killed(PROGRAM, lines, settings, seconds=400)
    return url


def slug_of(step: str, state: str, end: str) -> str:
    return f"killed-{step}-{state}-{end}".replace("_", "-")[:40].rstrip("-")


@pytest.fixture(scope="module")
def replaced(
    app: Flask,
    settings: Settings,
    make_patients: Callable[[Tier], Member],
    make_patient: MakePatient,
    tmp_path_factory: pytest.TempPathFactory,
) -> Mapping[Any, Killed]:
    """Kill a replacement at each moment, and return its tenant."""
    killed, lines = {}, []
    place = folder_of(tmp_path_factory).as_uri()
    cases = [(moment, end) for moment in BEFORE_SWITCH for end in ("finished", "undone")]
    cases += [(moment, "finished") for moment in (*IN_SWITCH, *AFTER_SWITCH)]
    for here, there in REPLACED:
        for moment, end in cases:
            member = make_patients(here)
            with app.app_context():
                url = back_up(member.tenant.slug, BackupOptions(place)).url
            archived = {each["id"] for each in member.get("/patients").json["data"]}
            later = make_patient(member)["id"]
            killed[here, moment, end] = Killed(member, archived, later)
            lines.append(f"replace {url} {member.tenant.slug} {there} {moment}")
    run_killed(PROGRAM, lines, settings, seconds=500)
    return killed


def operations_of(slug: str) -> list[Any]:
    return [each for each in unfinished_operations() if each.tenant_slug == slug]


@pytest.mark.parametrize(("step", "state", "tier"), RESTORES)
def test_a_killed_restore_is_finished_with_equal_rows(
    app: Flask,
    run_command: Callable[..., Any],
    restored: str,
    tmp_path: Path,
    step: str,
    state: str,
    tier: Tier,
) -> None:
    slug = slug_of(step, state, "finished")
    with app.app_context():
        [operation] = operations_of(slug)
        assert run_operation(operation.id).state == OperationState.DONE
        tenant = get_tenant(slug)
        assert tenant.placement.tier == tier
        tmp_path.chmod(0o777)
        again = verify_before(back_up(slug, BackupOptions(tmp_path.as_uri())).url)
        before = verify_before(restored)
    hashes = {table.name: (table.rows, table.hash) for table in again.tables}
    for table in before.tables:
        if table.name not in NOT_LOADED:
            assert hashes[table.name] == (table.rows, table.hash), table.name
    assert left_behind(app, tenant.id) == []
    compared = run_command("tenants", "diff", slug)
    assert compared.exit_code == 0, compared.output


@pytest.mark.parametrize(("step", "state", "tier"), RESTORES)
def test_a_killed_restore_is_undone_and_leaves_nothing(
    app: Flask, restored: str, step: str, state: str, tier: Tier
) -> None:
    slug = slug_of(step, state, "undone")
    with app.app_context():
        [operation] = operations_of(slug)
        undo_operation(operation.id, "by the test")
        with pytest.raises(UnknownTenantError):
            get_tenant(slug)
    assert left_behind(app, operation.tenant_id) == []


@pytest.mark.parametrize(("here", "there"), REPLACED)
@pytest.mark.parametrize("moment", BEFORE_SWITCH)
def test_a_replacement_killed_before_the_switch_leaves_the_old_rows_in_service(
    app: Flask, replaced: Mapping[Any, Killed], here: Tier, there: Tier, moment: str
) -> None:
    undone, finished = replaced[here, moment, "undone"], replaced[here, moment, "finished"]
    for each in (undone, finished):
        assert each.shown == each.archived | {each.later}
    with app.app_context():
        for each, end in ((undone, undo), (finished, run)):
            [operation] = operations_of(each.member.tenant.slug)
            end(operation)

    assert undone.shown == undone.archived | {undone.later}
    assert finished.shown == finished.archived
    for each, tier in ((undone, here), (finished, there)):
        with app.app_context():
            settle(each.member.tenant.id)
        active = placements_of(app, each.member.tenant.id)[0]
        assert active.tier == tier
        assert [side.id for side in writable_sides(app, each.member.tenant.id)] == [active.id]
        assert left_behind(app, each.member.tenant.id) == []


@pytest.mark.parametrize(("here", "there"), REPLACED)
@pytest.mark.parametrize("moment", [*IN_SWITCH, *AFTER_SWITCH])
def test_a_replacement_killed_in_the_switch_has_one_state_after_it_is_settled(
    app: Flask, replaced: Mapping[Any, Killed], here: Tier, there: Tier, moment: str
) -> None:
    killed = replaced[here, moment, "finished"]
    tenant = killed.member.tenant
    assert len(writable_sides(app, tenant.id)) <= 1
    with app.app_context():
        settle(tenant.id)
        for operation in operations_of(tenant.slug):
            run(operation)
        settle(tenant.id)

    assert killed.shown == killed.archived
    active = placements_of(app, tenant.id)[0]
    assert active.tier == there
    assert [side.id for side in writable_sides(app, tenant.id)] == [active.id]
    assert left_behind(app, tenant.id) == []


@pytest.fixture(scope="module")
def killed_backups(
    settings: Settings,
    make_patients: Callable[[Tier], Member],
    tmp_path_factory: pytest.TempPathFactory,
) -> Mapping[str, tuple[Member, Path]]:
    """Kill backups, and return the member and the folder of each."""
    moments = {"partial": "writing", "complete": "written", "damaged": "written"}
    killed = {each: (make_patients(POOLED), folder_of(tmp_path_factory)) for each in moments}
    lines = [
        f"backup {folder.as_uri()} {member.tenant.slug} {POOLED} {moments[each]}"
        for each, (member, folder) in killed.items()
    ]
    run_killed(PROGRAM, lines, settings, seconds=60)
    return killed


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_backup_that_is_killed_while_it_writes_leaves_no_archive(
    app: Flask, killed_backups: Mapping[str, tuple[Member, Path]]
) -> None:
    member, folder = killed_backups["partial"]

    with app.app_context():
        for path in files_in(folder):
            os.utime(path, (time.time() - ABANDONED_SECONDS - 1,) * 2)
        assert list(adopt_archives(folder.as_uri())) == []
        remove_unfinished(folder.as_uri())
        assert files_in(folder) == []
        done = back_up(member.tenant.slug, BackupOptions(folder.as_uri()))
        assert Path(urlsplit(done.url).path).is_file()
        assert [each.id for each in archives_of(member.tenant.id)] == [done.id]


def test_an_archive_that_was_complete_when_its_backup_was_killed_is_recorded_by_the_next_one(
    app: Flask,
    run_command: Callable[..., Any],
    make_patients: Callable[[Tier], Member],
    killed_backups: Mapping[str, tuple[Member, Path]],
) -> None:
    member, folder = killed_backups["complete"]
    neighbour = make_patients(POOLED)
    [file] = files_in(folder)
    with app.app_context():
        assert archives_of(member.tenant.id) == []

    other = run_command("tenants", "backup", neighbour.tenant.slug, "--to", folder)
    assert "Recorded" not in other.output
    backup = run_command("tenants", "backup", member.tenant.slug, "--to", folder)

    assert backup.exit_code == 0, backup.output
    assert f"Recorded {file.as_uri()}" in backup.output
    with app.app_context():
        adopted, done = archives_of(member.tenant.id)
        assert adopted.url == file.as_uri()
        assert adopted.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
        assert (adopted.size, adopted.rows) == (file.stat().st_size, done.rows)
        slug = f"adopted-{adopted.id.hex[-8:]}"
        restore_as(adopted.url, slug, verify_before(adopted.url), RestoreOptions())
        assert list(adopt_archives(folder.as_uri())) == []


def test_a_file_that_cannot_be_read_is_told_and_not_recorded(
    app: Flask,
    run_command: Callable[..., Any],
    killed_backups: Mapping[str, tuple[Member, Path]],
) -> None:
    member, folder = killed_backups["damaged"]
    [file] = files_in(folder)
    file.write_bytes(file.read_bytes()[:-1])

    backup = run_command("tenants", "backup", member.tenant.slug, "--to", folder)

    assert backup.exit_code == 0, backup.output
    assert f"{file.as_uri()} was not recorded" in backup.output
    with app.app_context():
        [only] = archives_of(member.tenant.id)
        assert only.url != file.as_uri()


def run(operation: Any) -> None:
    assert run_operation(operation.id).state == OperationState.DONE


def undo(operation: Any) -> None:
    undo_operation(operation.id, "by the test")
