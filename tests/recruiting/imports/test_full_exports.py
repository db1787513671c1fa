"""An import that is declared a full export lists what it lacks, unless it may be incomplete."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from tests.recruiting.imports.fhir_examples import ENCOUNTER
from tests.recruiting.imports.importing import Importer, upload, write_ndjson
from tests.recruiting.imports.writing.test_record_keys import at, bundle, condition, patient
from trially.database.rows import Item
from trially.recruiting.imports.limits import ImportLimits
from trially.recruiting.imports.missing_records import finding, withdrawing
from trially.recruiting.imports.missing_records.withdrawing import NotListedError, withdraw_missing
from trially.tenancy.context import tenant_context

WITHDRAWN = (
    "SELECT source_id FROM patient WHERE withdrawn_at IS NOT NULL UNION ALL"
    " SELECT source_id FROM clinical_fact WHERE withdrawn_at IS NOT NULL ORDER BY 1"
)
STORED = (
    patient(1, "100"),
    patient(2, "200"),
    condition("Patient/p1"),
    condition("Patient/p2", "c2"),
)


def withdraw(importer: Importer, job: Item) -> None:
    with importer.app.app_context(), tenant_context(importer.tenant.slug):
        withdraw_missing(job["id"])


def now(importer: Importer, job: Item) -> Any:
    return importer.value("SELECT completeness FROM import_job WHERE id = :id", id=job["id"])


@pytest.mark.parametrize("at_once", [1, 2, 5_000])
def test_only_types_that_the_export_contains_are_compared(
    importer: Importer, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(finding, "COMPARED_AT_ONCE", at_once)
    monkeypatch.setattr(withdrawing, "WITHDRAWN_AT_ONCE", at_once)
    importer(*STORED, condition("Patient/p1", "c3"), ENCOUNTER)
    importer(*STORED, source="other")

    job = importer(condition("Patient/p2", "c2"), is_complete=True)
    assert job["missing"] == {"Condition": 2}
    withdraw(importer, job)

    assert importer.query(WITHDRAWN) == [("c1",), ("c3",)]
    assert importer.query("SELECT count(*) FROM imported_record") == [(0,)]
    assert importer.value("SELECT count(*) FROM clinical_fact WHERE source = 'other'") == 2


def test_records_of_a_server_that_the_export_lacks_are_not_missing(importer: Importer) -> None:
    here, there = "https://a.example/fhir", "https://b.example/fhir"
    importer.read(bundle(at(here, patient(1, "1")), at(there, patient(1, "2"))))

    job = importer.read(bundle(at(here, patient(9, "9"))), is_complete=True)

    withdraw(importer, job)
    assert importer.query(
        "SELECT base_url, source_id FROM patient WHERE withdrawn_at IS NOT NULL"
    ) == [("", "p1")]


def test_records_that_wait_for_a_patient_are_missing_too(importer: Importer) -> None:
    importer(patient(1, "100"), condition("Patient/p9", "w1"), condition("Patient/p9", "w2"))

    job = importer(condition("Patient/p9", "w2"), patient(1, "100"), is_complete=True)
    assert job["missing"] == {"Condition": 1}
    withdraw(importer, job)

    assert importer.query("SELECT source_id FROM waiting_fact") == [("w2",)]


def test_a_record_that_cannot_be_imported_is_not_missing(importer: Importer) -> None:
    importer(*STORED)
    lame = {**condition("Patient/p1"), "modifierExtension": [{"url": "https://x.example"}]}

    job = importer(lame, condition("Patient/p2", "c2"), *STORED[:2], is_complete=True)

    assert (job["completeness"], job["missing"]) == ("listed", {})


def test_results_inside_of_reports_do_not_stand_for_all_results(importer: Importer) -> None:
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r1",
        "status": "final",
        "subject": {"reference": "Patient/p1"},
        "contained": [{"resourceType": "Observation", "id": "o", "code": {"text": "x"}}],
    }
    observation = {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": {"text": "y"},
        "subject": {"reference": "Patient/p1"},
    }
    importer(*STORED, observation)

    assert importer(*STORED, report, is_complete=True)["missing"] == {}
    assert importer(*STORED, observation, is_complete=True)["missing"] == {"Observation": 1}


UNREADABLE: dict[str, bytes | dict[str, Any]] = {
    "no JSON": b"{",
    "no id": {"resourceType": "Condition"},
    "no type": {"id": "c1"},
    "an error of the export": {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "exception"}],
    },
    "a page of several": {
        "resourceType": "Bundle",
        "type": "searchset",
        "link": [{"relation": "next", "url": "https://a.example/2"}],
        "entry": [{"resource": patient(1, "100")}],
    },
}


@pytest.mark.parametrize("line", UNREADABLE.values(), ids=UNREADABLE.keys())
@pytest.mark.parametrize("most_stored_faults", [100, 0])
def test_what_cannot_be_read_withdraws_nothing(
    importer: Importer, line: Any, most_stored_faults: int
) -> None:
    importer(*STORED)

    limits = ImportLimits(most_stored_faults=most_stored_faults)
    job = importer(patient(1, "100"), line, is_complete=True, limits=limits)

    assert (job["state"], job["completeness"]) == ("done", "incomplete")
    with pytest.raises(NotListedError):
        withdraw(importer, job)
    assert importer.query(WITHDRAWN) == []


def test_a_failed_import_withdraws_nothing(importer: Importer) -> None:
    importer(*STORED)

    lame = {**condition("Patient/p1"), "modifierExtension": [{"url": "https://x.example"}]}
    job = importer(patient(1, "100"), lame, strict=True, is_complete=True)

    assert (job["state"], job["completeness"]) == ("failed", "incomplete")
    with pytest.raises(NotListedError, match="failed"):
        withdraw(importer, job)


def test_an_import_that_was_not_declared_complete_withdraws_nothing(importer: Importer) -> None:
    job = importer(*STORED)

    with pytest.raises(NotListedError, match="not declared"):
        withdraw(importer, job)


@pytest.mark.parametrize("other", [{"is_complete": True}, {}, {"strict": True}])
@pytest.mark.parametrize("is_deleted", [True, False])
def test_a_later_import_of_the_source_ends_the_right_to_withdraw(
    importer: Importer, other: dict[str, Any], *, is_deleted: bool
) -> None:
    importer(*STORED)
    job = importer(patient(1, "100"), is_complete=True)
    importer(b"{", source="other")

    later = importer(b"{" if other.get("strict") else patient(3, "300"), **other)
    if is_deleted:
        importer.query("DELETE FROM import_job WHERE id = :id", id=later["id"])

    assert now(importer, job) == "overtaken"
    with pytest.raises(NotListedError, match="Another import"):
        withdraw(importer, job)
    assert importer.query(WITHDRAWN) == []


def test_two_imports_at_the_same_time_withdraw_nothing(importer: Importer) -> None:
    importer(*STORED)
    meanwhile: list[Item] = []

    def interrupt(_done: int) -> None:
        if not meanwhile:
            meanwhile.append(importer(patient(3, "300"), is_complete=True))

    job = importer(patient(1, "100"), is_complete=True, progress=interrupt)

    assert [now(importer, each) for each in (job, *meanwhile)] == ["overtaken", "overtaken"]


def die(_done: int) -> None:
    raise KeyboardInterrupt


def test_a_killed_import_withdraws_only_after_it_was_continued(
    importer: Importer,
) -> None:
    importer(*STORED)
    files = (write_ndjson(patient(1, "100")), write_ndjson(condition("Patient/p1")))

    with pytest.raises(KeyboardInterrupt):
        importer.read(*files, is_complete=True, progress=die)
    killed = importer.value("SELECT id FROM import_job ORDER BY id DESC LIMIT 1")
    with pytest.raises(NotListedError, match="not ended"):
        withdraw(importer, {"id": killed})

    job = importer.read(*files, is_complete=True)
    assert job["id"] == killed
    assert job["missing"] == {"Condition": 1, "Patient": 1}


@pytest.mark.parametrize(("first", "then"), [(True, False), (False, True)])
def test_an_import_continues_only_as_it_was_declared(
    importer: Importer, *, first: bool, then: bool
) -> None:
    importer(*STORED)
    files = (write_ndjson(patient(1, "100")), write_ndjson(condition("Patient/p1")))
    with pytest.raises(KeyboardInterrupt):
        importer.read(*files, is_complete=first, progress=die)
    killed = importer.value("SELECT id FROM import_job ORDER BY id DESC LIMIT 1")

    job = importer.read(*files, is_complete=then)

    assert job["id"] != killed
    assert job["missing"] == ({"Condition": 1, "Patient": 1} if then else {})


def test_an_older_version_stays_withdrawn_and_a_newer_one_comes_back(importer: Importer) -> None:
    def version(number: int) -> dict[str, Any]:
        return {**condition("Patient/p1"), "meta": {"versionId": str(number)}}

    importer(*STORED[:2], version(2))
    withdraw(importer, importer(condition("Patient/p2", "c2"), is_complete=True))
    assert importer.query(WITHDRAWN) == [("c1",)]

    importer(version(1))
    assert importer.query(WITHDRAWN) == [("c1",)]
    importer(version(2))
    assert importer.query(WITHDRAWN) == []


def test_the_routes_of_missing_records_are_for_those_who_import(
    member: Any, as_member: Callable[..., Any]
) -> None:
    upload(member, write_ndjson(*STORED), query="?source=epic")
    body = write_ndjson(patient(1, "100"))
    job = upload(member, body, query="?source=epic&complete=true").json
    limited = as_member(member.tenant, phi_level="limited")
    viewer = as_member(member.tenant, "viewer", phi_level="none")

    [missing] = limited.get(f"/imports/{job['id']}/missing").json["data"]
    assert (missing["source_id"], missing["masked_fields"]) == (None, ["source_id"])
    assert viewer.post(f"/imports/{job['id']}/withdrawal").status_code == 403
    assert member.post(f"/imports/{UUID(int=1)}/withdrawal").status_code == 404
    upload(member, body, query="?source=epic")
    answer = member.post(f"/imports/{job['id']}/withdrawal")
    assert (answer.status_code, answer.json["code"]) == (409, "export_not_complete")
