"""Rotation of the master key, of its provider and of data keys, while tenants are served."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from killed_programs import run_killed
from members import MakeTenant
from operator_records import Records
from sqlalchemy import delete, update
from tokens import key_uri

from trially import create_app
from trially.config import Settings
from trially.keys.providers import MasterKeyLostError
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.data_keys import data_key, data_key_of_version, destroy_data_keys
from trially.tenancy.data_keys.model import TenantKey
from trially.tenancy.data_keys.rewrapping import begin_master_rotation, stored_keys

RunCommand = Callable[..., Any]


@pytest.fixture
def tenants(app: Flask, make_tenant: MakeTenant) -> Iterator[list[Tenant]]:
    """Three tenants, whose keys no process has in its memory."""
    made = [make_tenant(Tier.POOLED_ROWS) for _ in range(3)]
    yield made
    with app.app_context(), catalog_transaction() as session:
        # Keys that a test has damaged would be problems for the next one.
        session.execute(
            delete(TenantKey).where(TenantKey.tenant_id.in_([each.id for each in made]))
        )


def secrets_of(app: Flask, tenants: list[Tenant]) -> list[bytes]:
    """Return the tenants' secrets as a process that starts reads them."""
    with app.app_context():
        for each in tenants:
            state_of(app).data_keys.forget(each.id)
        return [data_key(each.id).secret for each in tenants]


def masters_of_all(app: Flask) -> set[str]:
    with app.app_context():
        return {key.wrapped.master_key for key in stored_keys()}


def newest(app: Flask) -> str:
    with app.app_context():
        return state_of(app).data_keys.masters.current.newest_version()


def run_json(run_command: RunCommand, *words: str, status: int = 0) -> Any:
    result = run_command(*words, "--json")
    assert result.exit_code == status, result.output
    return json.loads(result.stdout)


def test_a_new_version_wraps_every_key_and_changes_none(
    app: Flask, run_command: RunCommand, tenants: list[Tenant], records: Records
) -> None:
    before = secrets_of(app, tenants)
    version = newest(app)

    plan = run_json(run_command, "keys", "rotate-master", "--dry-run")
    assert (plan["creates_version"], newest(app)) == (True, version)
    rotated = run_json(run_command, "keys", "rotate-master")

    assert (rotated["is_new_version"], rotated["remaining"], rotated["problems"]) == (True, 0, [])
    assert int(newest(app)) == int(version) + 1
    assert len(masters_of_all(app)) == 1
    assert secrets_of(app, tenants) == before
    changed = [row for row in records() if row["action"] == "tenant_key update"]
    assert len(changed) == rotated["wrapped"]
    _, rotation = [row for row in records() if row["stage"] == "started"]
    assert {row["started"] for row in changed} == {rotation["id"]}


def test_a_killed_rotation_is_continued_with_the_same_version(
    app: Flask, run_command: RunCommand, tenants: list[Tenant], settings: Settings
) -> None:
    before = secrets_of(app, tenants)
    version = int(newest(app))

    # The second process continues the rotation of the first one.
    program = Path(__file__).with_name("killed_master_rotation.py")
    run_killed(program, ["created", "wrapped"], settings, seconds=120)

    assert int(newest(app)) == version + 1
    assert secrets_of(app, tenants) == before
    rotated = run_json(run_command, "keys", "rotate-master")
    assert (rotated["is_new_version"], rotated["remaining"]) == (False, 0)
    assert int(newest(app)) == version + 1
    assert secrets_of(app, tenants) == before


def test_a_row_that_does_not_unwrap_stops_no_other(
    app: Flask, run_command: RunCommand, tenants: list[Tenant]
) -> None:
    before = secrets_of(app, tenants)
    with app.app_context(), catalog_transaction() as session:
        copied = session.get_one(TenantKey, (tenants[1].id, 1)).sealed
        session.execute(
            update(TenantKey).where(TenantKey.tenant_id == tenants[0].id).values(sealed=copied)
        )

    rotated = run_json(run_command, "keys", "rotate-master", status=1)

    assert rotated["remaining"] == 1
    assert [str(tenants[0].id) in each for each in rotated["problems"]] == [True]
    assert secrets_of(app, tenants[1:]) == before[1:]


def test_a_key_that_is_destroyed_meanwhile_stays_destroyed(
    app: Flask, tenants: list[Tenant]
) -> None:
    with app.app_context(), begin_master_rotation() as rotation:
        destroy_data_keys(tenants[0].id)
        for _ in rotation.run():
            pass

        assert tenants[0].id not in {key.tenant_id for key in stored_keys()}


@pytest.fixture(params=["file", "token"])
def other(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a master key of another provider."""
    if request.param == "file":
        return (tmp_path / "keys" / "other.json").as_uri()
    return key_uri(request.getfixturevalue("token"), tmp_path)


def test_another_provider_takes_over_while_tenants_are_served(
    app: Flask, tenants: list[Tenant], settings: Settings, other: str
) -> None:
    before = secrets_of(app, tenants)
    former = (settings.instance.absolute() / "master-key.json").as_uri()
    both = create_app(replace(settings, master_key=other, previous_master_key=former))
    back = create_app(replace(settings, master_key=former, previous_master_key=other))
    try:
        runner = both.test_cli_runner()
        assert runner.invoke(args=["keys", "create-master"]).exit_code == 0
        status = runner.invoke(args=["keys", "status", "--json"])
        assert status.exit_code == 1
        assert not any(
            each["is_current_key"] for each in json.loads(status.stdout)["master_key"]["data_keys"]
        )

        result = runner.invoke(args=["keys", "rotate-master", "--json"])

        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["is_new_version"] is False
        assert secrets_of(both, tenants) == before
        alone = create_app(replace(settings, master_key=other))
        assert secrets_of(alone, tenants) == before
        assert alone.test_cli_runner().invoke(args=["keys", "status"]).exit_code == 0
    finally:
        result = back.test_cli_runner().invoke(args=["keys", "rotate-master", "--no-new-version"])
        assert result.exit_code == 0, result.output
    assert secrets_of(app, tenants) == before


def test_the_data_keys_of_one_tenant_or_of_all_are_rotated(
    app: Flask, run_command: RunCommand, tenants: list[Tenant]
) -> None:
    first = secrets_of(app, tenants)

    one = run_json(run_command, "keys", "rotate-data", tenants[0].slug)["rotated"]
    assert one == [{"tenant": tenants[0].slug, "version": 2}]
    young = run_json(run_command, "keys", "rotate-data", "--all", "--dry-run")["tenants"]
    ours = {each.slug for each in tenants}
    assert ours.isdisjoint(each["tenant"] for each in young)
    make_older(app, tenants[1].id)
    everyone = run_json(run_command, "keys", "rotate-data", "--all", "--older-than", "30")

    rotated = [each for each in everyone["rotated"] if each["tenant"] in ours]
    assert rotated == [{"tenant": tenants[1].slug, "version": 2}]
    second = secrets_of(app, tenants)
    assert [now == then for now, then in zip(second, first, strict=True)] == [False, False, True]
    with app.app_context():
        assert data_key_of_version(tenants[1].id, 1).secret == first[1]


def make_older(app: Flask, tenant_id: UUID) -> None:
    with app.app_context(), catalog_transaction() as session:
        key = session.get_one(TenantKey, (tenant_id, 1))
        key.created_at = key.created_at.replace(year=2025)


def test_a_tenant_or_all_is_named(run_command: RunCommand, tenants: list[Tenant]) -> None:
    for words in ((), (tenants[0].slug, "--all")):
        result = run_command("keys", "rotate-data", *words)
        assert (result.exit_code, "Name one tenant" in result.output) == (1, True)


def test_status_shows_the_layers(
    app: Flask, run_command: RunCommand, tenants: list[Tenant]
) -> None:
    run_command("keys", "rotate-master")
    with app.app_context(), catalog_transaction() as session:
        session.delete(session.get_one(TenantKey, (tenants[0].id, 1)))

    described = run_json(run_command, "keys", "status")["master_key"]
    text = run_command("keys", "status").output

    assert described["newest"]["key_version"] == newest(app)
    assert [each["is_newest_version"] for each in described["data_keys"]] == [True]
    assert described["tenants_without_key"] >= 1
    assert f"version {newest(app)}." in text
    assert "tenants have no data key" in text


def test_a_lost_key_ring_is_named_and_loses_no_row(
    app: Flask, run_command: RunCommand, tenants: list[Tenant], settings: Settings
) -> None:
    before = secrets_of(app, tenants)
    ring = settings.instance / "master-key.json"
    hidden = ring.rename(ring.with_name("hidden"))
    try:
        # A new ring of the same place cannot unwrap, and nothing is wrapped with it unnoticed.
        result = run_command("keys", "status", "--json")
        assert result.exit_code == 1
        failed = run_json(run_command, "keys", "rotate-master", "--no-new-version", status=1)
        assert failed["wrapped"] == 0
        assert "is not that of TRIALLY_MASTER_KEY" in failed["problems"][0]
    finally:
        hidden.rename(ring)
    assert secrets_of(app, tenants) == before


def test_former_versions_are_destroyed_once_nothing_needs_them(
    app: Flask, run_command: RunCommand, tenants: list[Tenant]
) -> None:
    before = secrets_of(app, tenants)
    run_json(run_command, "keys", "rotate-master")
    with app.app_context():
        copied = {key.context: key.wrapped for key in stored_keys()}
        masters = state_of(app).data_keys.masters
    created = run_json(run_command, "keys", "rotate-master", "--create-only")
    assert created["is_new_version"] is True
    assert secrets_of(app, tenants) == before
    refused = run_command("keys", "destroy-former-versions", "--yes")
    assert (refused.exit_code, "--no-new-version" in refused.output) == (1, True)
    assert run_json(run_command, "keys", "rotate-master")["is_new_version"] is False

    asked = run_command("keys", "destroy-former-versions")
    assert (asked.exit_code, "will be destroyed" in asked.output) == (1, True)
    destroyed = run_json(run_command, "keys", "destroy-former-versions", "--yes")["destroyed"]

    assert destroyed[-1] == str(int(newest(app)) - 1)
    assert secrets_of(app, tenants) == before
    for context, wrapped in copied.items():
        with pytest.raises(MasterKeyLostError):
            masters.unwrap(wrapped, context)
    assert run_json(run_command, "keys", "destroy-former-versions")["destroyed"] == []


def test_the_master_key_is_created_once(settings: Settings, tmp_path: Path, app: Flask) -> None:
    url = (tmp_path / "keys" / "master.json").as_uri()
    own = create_app(replace(settings, master_key=url))
    runner = own.test_cli_runner()

    created = runner.invoke(args=["keys", "create-master"])
    again = runner.invoke(args=["keys", "create-master"])

    assert (created.exit_code, again.exit_code) == (0, 1), created.output
    assert "Back it up now" in created.output
    assert "rotate-master" in again.output
    assert (tmp_path / "keys" / "master.json").stat().st_mode & 0o777 == 0o600
