"""Imports are deleted with their faults and waiting facts. What they imported stays."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from borrowed_tenants import BorrowTenant

from tests.conftest import AsMember, MakeTenant, Member
from tests.recruiting.imports.fhir_examples import make_observation, make_patient
from tests.recruiting.imports.importing import Importer, upload, write_ndjson
from trially.auth.roles import Role
from trially.recruiting.imports import deleting
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier

BAD_LINES = write_ndjson(make_patient(1), *[b"{}"] * 25)
LEFT = (
    "SELECT (SELECT count(*) FROM import_job WHERE id = :id),"
    " (SELECT count(*) FROM import_fault WHERE import_id = :id),"
    " (SELECT count(*) FROM waiting_fact WHERE import_id = :id)"
)


@pytest.fixture
def tenant(borrow_tenant: BorrowTenant, tier: Tier) -> Tenant:
    return borrow_tenant(tier)


def left_of(importer: Importer, import_id: str) -> tuple[Any, ...]:
    """Return the number of rows of an import, of its faults, and of its waiting facts."""
    return importer.query(LEFT, id=import_id)[0]


def interrupt(importer: Importer) -> str:
    """Interrupt an import that has a waiting fact, and return its id."""

    def fail(_done: int) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        importer.read(write_ndjson(make_observation(1, 9)), b"", source="cut", progress=fail)
    return str(importer.value("SELECT id FROM import_job WHERE source = 'cut'"))


@pytest.mark.parametrize("at_once", [1, 10, 25, 10_000])
def test_an_import_is_deleted_with_its_faults(
    importer: Importer, member: Member, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(deleting, "DELETED_AT_ONCE", at_once)
    kept = upload(member, BAD_LINES, query="?source=kept").json["id"]
    job = upload(member, BAD_LINES, query="?source=other").json["id"]
    assert left_of(importer, job) == (1, 25, 0)

    answer = member.delete(f"/imports/{job}")

    assert (answer.status_code, answer.data) == (204, b"")
    assert left_of(importer, job) == (0, 0, 0)
    assert left_of(importer, kept) == (1, 25, 0)
    assert member.get(f"/imports/{job}").status_code == 404
    assert member.get("/patients/count").json == {"count": 2}


def test_an_interrupted_import_is_deleted_with_its_deferred_records(
    importer: Importer, member: Member
) -> None:
    job = interrupt(importer)
    assert left_of(importer, job) == (1, 0, 1)

    assert member.delete(f"/imports/{job}").status_code == 204
    assert left_of(importer, job) == (0, 0, 0)


def test_a_running_import_is_not_deleted(importer: Importer, member: Member) -> None:
    answers = []

    def delete(_done: int) -> None:
        job = importer.value("SELECT id FROM import_job")
        answers.append(member.delete(f"/imports/{job}"))

    job = importer(make_patient(1), progress=delete)

    assert job["state"] == "done"
    assert [answer.status_code for answer in answers] == [409]
    assert answers[0].json["code"] == "import_running"
    assert left_of(importer, job["id"])[0] == 1


def test_deleting_needs_the_version(importer: Importer, member: Member) -> None:
    job = upload(member, BAD_LINES).json["id"]
    path = f"/imports/{job}"

    without = member.request("DELETE", path)
    stale = member.delete(path, headers={"If-Match": '"1"'})

    assert (without.status_code, stale.status_code) == (428, 412)
    assert left_of(importer, job) == (1, 25, 0)
    assert member.get(path).json["state"] == "done"


@pytest.mark.parametrize("role", [role for role in Role if role not in (Role.OWNER, Role.ADMIN)])
def test_only_owners_and_administrators_delete(
    importer: Importer, member: Member, as_member: AsMember, role: Role
) -> None:
    job = upload(member, BAD_LINES).json["id"]

    answer = as_member(importer.tenant, role).delete(f"/imports/{job}", headers={"If-Match": "*"})

    assert answer.status_code == 403
    assert left_of(importer, job) == (1, 25, 0)


def test_the_import_of_another_tenant_is_not_there(
    importer: Importer, member: Member, make_tenant: MakeTenant, tier: Tier, as_member: AsMember
) -> None:
    job = upload(member, BAD_LINES).json["id"]
    stranger = as_member(make_tenant(tier))

    assert stranger.delete(f"/imports/{job}", headers={"If-Match": "*"}).status_code == 404
    assert left_of(importer, job) == (1, 25, 0)


def test_an_interrupted_deletion_is_completed_by_the_next(
    importer: Importer, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = interrupt(importer)
    with monkeypatch.context() as patch:

        def fail(*_arguments: Any) -> None:
            raise ConnectionError

        patch.setattr(deleting, "delete_rows_of", fail)
        assert member.delete(f"/imports/{job}").status_code == 500
    state = member.get(f"/imports/{job}").json["state"]
    again = importer.read(write_ndjson(make_observation(1, 9)), b"", source="cut")

    assert member.delete(f"/imports/{job}").status_code == 204
    assert state == "deleting"
    assert str(again["id"]) != job
    assert left_of(importer, job) == (0, 0, 0)
    assert left_of(importer, again["id"])[0] == 1


def test_the_command(importer: Importer, member: Member, run_command: Callable[..., Any]) -> None:
    job = upload(member, BAD_LINES).json["id"]
    slug, unknown = importer.tenant.slug, str(uuid4())

    deleted = run_command("imports", "delete", slug, job, "--yes")
    again = run_command("imports", "delete", slug, job, "--json", "--yes")
    nonsense = run_command("imports", "delete", slug, "nonsense")

    assert (deleted.exit_code, again.exit_code, nonsense.exit_code) == (0, 1, 2)
    assert deleted.stdout == f"Deleted the import {job}. The records that it imported stay.\n"
    assert f"The tenant '{slug}' has no import {job}." in again.stderr
    assert left_of(importer, job) == (0, 0, 0)
    assert run_command("imports", "delete", slug, unknown).exit_code == 1
