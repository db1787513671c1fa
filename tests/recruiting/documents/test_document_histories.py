"""Documents follow the rules of all records: versions, withdrawals, merges, erasure, waiting."""

import datetime as dt
from typing import Any

import pytest
from flask import Flask
from members import MakeTenant, Member

from tests.recruiting.documents.document_examples import attach, make_binary, make_reference
from tests.recruiting.imports.fhir_examples import LOINC, concept
from tests.recruiting.imports.importing import Importer, write_ndjson
from tests.recruiting.imports.record_histories import (
    bundle_of,
    deletion,
    empty,
    entry,
    person,
    replaced_by,
    version,
)
from trially.database.session import transaction
from trially.recruiting.documents.extracting.problems import MOST_USES
from trially.recruiting.imports.missing_records.withdrawing import withdraw_missing
from trially.recruiting.imports.rezoning import count_outdated, rezone_source
from trially.tenancy.catalog import Tenant
from trially.tenancy.context import tenant_context

TEXTS = (
    "SELECT document.source_id, content FROM document LEFT JOIN document_page"
    " ON document_id = document.id ORDER BY 1, 2"
)
WITHDRAWN = "SELECT source_id, withdrawn_reason FROM document ORDER BY 1"
OWNERS = (
    "SELECT document.source_id, patient.source_id FROM document JOIN patient"
    " ON patient.id = document.patient_id ORDER BY 1"
)
REPORT = {
    "resourceType": "DiagnosticReport",
    "id": "r1",
    "status": "final",
    "code": concept(LOINC, "24627-2", "CT of the chest"),
    "subject": {"reference": "Patient/p1"},
}
BEFORE, AFTER = "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def tenant(make_tenant: MakeTenant) -> Tenant:
    """One tenant for all tests of this module."""
    return make_tenant()


@pytest.fixture
def importer(app: Flask, tenant: Tenant) -> Importer:
    """Imports into `tenant`, which is empty."""
    return empty(Importer(app, tenant))


def note(number: int, text: str, patient: str = "p1", **more: Any) -> dict[str, Any]:
    subject = {"reference": f"Patient/{patient}"}
    return make_reference(number, attach(text), **{"subject": subject, **more})


def asking(number: int, binary: str = "Binary/b1", patient: str = "p1", **more: Any) -> Any:
    """Return a document whose text is in a Binary."""
    subject = {"reference": f"Patient/{patient}"}
    return make_reference(number, {"url": binary}, **{"subject": subject, **more})


def test_a_binary_is_the_text_of_a_bounded_number_of_documents(importer: Importer) -> None:
    documents = [asking(number) for number in range(MOST_USES + 2)]

    job = importer(person("p1"), make_binary("b1", "Secret"), *documents)

    assert job["counts"]["DocumentReference"]["new"] == MOST_USES + 2
    assert importer.query("SELECT text_problem, count(*) FROM document GROUP BY 1 ORDER BY 2") == [
        ("used_too_often", 2),
        (None, MOST_USES),
    ]
    assert job["error_groups"] == {"text_incomplete": {"DocumentReference": 2}}


def test_the_newest_version_wins_in_any_order(importer: Importer) -> None:
    newer, older = note(1, "New", **version("2")), note(1, "Old", **version("1"))
    importer(person("p1"), newer, older)

    again = importer(older)

    assert importer.query(TEXTS) == [("d1", "New")]
    assert again["counts"]["DocumentReference"]["stale"] == 1
    marks = "SELECT document.version, page.xmin FROM document JOIN document_page page ON true"
    before = importer.query(marks)
    same = importer(note(1, "New", **version("3")))
    assert (same["counts"]["DocumentReference"]["changed"], importer.query(marks)[0][1]) == (
        0,
        before[0][1],
    )
    assert importer.value("SELECT version_number FROM document") == 3


def test_a_newer_version_that_waits_outlives_an_older_one(importer: Importer) -> None:
    importer.read(
        write_ndjson(person("p1"), asking(1, **version("2"))),
        write_ndjson(note(1, "Old", **version("1"))),
        write_ndjson(make_binary("b1", "New")),
    )

    assert importer.query(TEXTS) == [("d1", "New")]


def test_a_withdrawn_document_is_kept_and_comes_back(importer: Importer, member: Member) -> None:
    dated = version(at=BEFORE)
    importer(
        person("p1"),
        *(note(number, f"Text {number}", **dated) for number in (1, 2)),
        {**REPORT, **dated, "conclusion": "No embolism."},
    )
    patient_id = importer.value("SELECT id::text FROM patient")
    path, before = f"/patients/{patient_id}/documents", importer.versions()["p1"]

    lame = note(2, "Text 2", subject={"reference": "Group/g"}, **version(at=AFTER))
    textless = {**REPORT, **version(at=AFTER)}
    job = importer.read(
        bundle_of(
            deletion("DocumentReference/d1", lastModified=AFTER),
            entry(lame),
            entry(textless),
        )
    )

    reasons = {"d1": "deleted", "d2": "invalid", "r1": "no_text"}
    assert dict(importer.query(WITHDRAWN)) == reasons
    assert importer.versions()["p1"] == before + 1
    assert job["counts"]["DocumentReference"]["withdrawn"] == 2
    for listed in (path, "/documents", f"{path}?q=text", "/documents?q=text"):
        assert member.get(listed).json["data"] == []
    shown = member.get("/documents?withdrawn=true").json["data"]
    assert {each["source_id"]: each["withdrawn_reason"] for each in shown} == reasons

    stale = importer(note(1, "Text 1", **dated))
    assert stale["counts"]["DocumentReference"]["stale"] == 1
    importer(note(1, "Text 1", **version(at="2026-01-01T00:00:00Z")))
    assert [each["source_id"] for each in member.get(path).json["data"]] == ["d1"]


def test_a_full_export_withdraws_documents_that_it_lacks(importer: Importer) -> None:
    importer(person("p1"), note(1, "One"), note(2, "Two"))

    job = importer(person("p1"), note(2, "Two"), is_complete=True)

    assert job["missing"] == {"DocumentReference": 1}
    with importer.app.app_context(), tenant_context(importer.tenant.slug):
        withdraw_missing(job["id"])
    assert importer.query(WITHDRAWN) == [("d1", "missing_from_export"), ("d2", None)]


def test_documents_move_with_merged_patients_and_back(importer: Importer, member: Member) -> None:
    importer(person("p1"), person("p2"), note(1, "One"), note(2, "Two", "p2"))
    ids = dict(importer.query("SELECT source_id, id::text FROM patient"))
    before = importer.versions()

    assert member.post(f"/patients/{ids['p1']}/merge", json={"into": ids["p2"]}).status_code == 200
    assert importer.query(OWNERS) == [("d1", "p2"), ("d2", "p2")]
    assert importer.versions()["p2"] > before["p2"]
    importer(note(1, "One more"), note(3, "Three"))
    assert importer.query(OWNERS) == [("d1", "p2"), ("d2", "p2"), ("d3", "p2")]
    assert member.delete(f"/patients/{ids['p1']}/merge").status_code == 200
    assert importer.query(OWNERS) == [("d1", "p1"), ("d2", "p2"), ("d3", "p1")]

    importer(person("p1", **replaced_by("p2")))
    assert {owner for _, owner in importer.query(OWNERS)} == {"p2"}
    importer(person("p1"))
    assert importer.query(OWNERS) == [("d1", "p1"), ("d2", "p2"), ("d3", "p1")]


def test_dates_are_in_the_zone_of_the_source_and_must_be_possible(
    importer: Importer, member: Member
) -> None:
    next_year = dt.datetime.now(dt.UTC).year + 1
    job = importer(
        person("p1"),
        note(1, "Zoneless", date="2021-03-01T23:30:00"),
        note(2, "Future", date=f"{next_year}-06-01"),
        note(3, "Ancient", date="1066-10-14"),
        time_zone="America/New_York",
    )

    shown = {each["source_id"]: each for each in member.get("/documents").json["data"]}
    assert next(iter(shown)) == "d1"
    assert [shown["d1"][name] for name in ("at", "at_offset", "dated_on")] == [
        "2021-03-02T04:30:00Z",
        -300,
        "2021-03-01",
    ]
    assert {each: shown[each]["date_problem"] for each in shown} == {
        "d1": None,
        "d2": "in_future",
        "d3": "too_early",
    }
    assert job["error_count"] == 2


def test_another_zone_of_the_source_moves_zoneless_times(importer: Importer) -> None:
    times = ("2021-07-01T23:30:00", "2021-07-01T23:30:00Z", "2021-07-01")
    importer(person("p1"), *(note(number, at, date=at) for number, at in enumerate(times)))
    before = importer.versions()["p1"]

    with importer.app.app_context(), tenant_context(importer.tenant.slug):
        with transaction():
            assert count_outdated("fhir", "America/Chicago") == 1
        assert rezone_source("fhir", "America/Chicago") == 1

    assert importer.query(
        "SELECT at::text, at_offset, dated_on::text FROM document ORDER BY source_id"
    ) == [
        ("2021-07-02 04:30:00+00", -300, "2021-07-01"),
        ("2021-07-01 23:30:00+00", 0, "2021-07-01"),
        ("2021-07-01 00:00:00+00", None, "2021-07-01"),
    ]
    assert importer.versions()["p1"] == before + 1


def test_an_erased_patient_leaves_no_document_anywhere(importer: Importer, member: Member) -> None:
    notes = (note(1, "Secret"), asking(2), make_binary("b1", "Secret Binary"))
    importer(person("p1"), person("p2"), *notes, note(3, "Of another", "p2"))
    importer(asking(4, "Binary/absent", "p1"), make_binary("b2", "Unused"))
    importer.query(
        "INSERT INTO import_binary (tenant_id, id, import_id, source_id, pages, is_paged, uses)"
        " SELECT tenant_id, gen_random_uuid(), id, 'b9', '[]', false, 1"
        " FROM import_job LIMIT 1"
    )
    patient_id = importer.value("SELECT id::text FROM patient WHERE source_id = 'p1'")

    assert member.delete(f"/patients/{patient_id}").status_code == 204

    assert importer.query(TEXTS) == [("d3", "Of another")]
    assert importer.value("SELECT count(*) FROM import_binary") == 0
    again = importer(*notes, asking(5, "Binary/absent"))
    assert again["counts"]["DocumentReference"]["erased"] == 3
    assert importer.value("SELECT count(*) FROM waiting_fact") == 0
    assert importer.query(TEXTS) == [("d3", "Of another")]


def test_a_document_that_waits_for_its_patient_keeps_its_text(importer: Importer) -> None:
    job = importer(asking(1), asking(2, "Binary/absent"), make_binary("b1", "Kept"))
    assert job["counts"]["DocumentReference"]["waiting"] == 2
    assert importer.value("SELECT count(*) FROM import_binary") == 0

    importer(person("p1"))

    assert importer.query(TEXTS) == [("d1", "Kept"), ("d2", None)]
    assert importer.query("SELECT count(*) FROM waiting_fact") == [(0,)]


def test_another_import_leaves_documents_to_the_import_that_has_their_binaries(
    importer: Importer,
) -> None:
    importer(asking(1))
    importer.query("UPDATE waiting_fact SET awaits_binary = true")

    importer(person("p1"))

    assert importer.query(TEXTS) == []
    assert importer.value("SELECT awaits_binary FROM waiting_fact") is True


def test_a_strict_import_that_fails_completes_what_waits(importer: Importer) -> None:
    importer.read(
        write_ndjson(asking(1)),
        write_ndjson(make_binary("b1", "Kept"), b"{broken"),
        strict=True,
    )

    assert importer.value("SELECT count(*) FROM import_binary") == 0
    importer(person("p1"))
    assert importer.query("SELECT source_id FROM document") == [("d1",)]


def test_binaries_of_two_servers_are_not_confused(importer: Importer) -> None:
    here, there = "https://a.example/fhir", "https://b.example/fhir"
    importer.read(
        bundle_of(
            *(
                entry(resource, base)
                for base, text in ((here, "Here"), (there, "There"))
                for resource in (person("p1", text), asking(1), make_binary("b1", text))
            )
        )
    )

    query = (
        "SELECT document.base_url, content FROM document JOIN document_page"
        " ON document_id = document.id ORDER BY 1"
    )
    assert importer.query(query) == [("", "Here"), (there, "There")]


def test_a_newer_binary_of_one_import_counts(importer: Importer) -> None:
    importer.read(
        write_ndjson({**make_binary("b1", "New"), **version("2")}),
        write_ndjson(person("p1"), {**make_binary("b1", "Old"), **version("1")}, asking(1)),
    )

    assert importer.query(TEXTS) == [("d1", "New")]
