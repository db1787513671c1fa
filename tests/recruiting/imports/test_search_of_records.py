"""The search and possible duplicates follow identifiers, merges, withdrawals and corrections."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from tests.conftest import MakePatient, MakeTenant, Member
from tests.recruiting.imports.importing import Importer
from tests.recruiting.imports.record_histories import (
    bundle_of,
    deletion,
    empty,
    numbered,
    person,
    replaced_by,
    version,
)
from trially.tenancy.catalog import Tenant

TERMS = """
SELECT patient_id::text, record_id::text, kind, field, use, term FROM patient_search_term
ORDER BY kind, field, term, patient_id, record_id
"""
FORMER = person(
    "p1",
    "0070001",
    name=[{"use": "official", "family": "Harcourt", "given": ["Edda"]}],
    birthDate="1961-04-09",
)
SURVIVOR = person("p2", "A-2", name=[{"family": "Quill", "given": ["Nora"]}])


@pytest.fixture(scope="module")
def tenant(make_tenant: MakeTenant) -> Tenant:
    """One tenant for all tests of this module."""
    return make_tenant()


@pytest.fixture
def importer(app: Flask, tenant: Tenant) -> Importer:
    """Imports into `tenant`, which is empty."""
    return empty(Importer(app, tenant))


def search(member: Member, **body: Any) -> list[dict[str, Any]]:
    answer = member.post("/patients/search", json=body)
    assert answer.status_code == 200, answer.json
    return list(answer.json["data"])


def found(member: Member, q: str, **body: Any) -> list[tuple[Any, ...]]:
    """Return the patients that `q` finds, with what matched."""
    return [
        (each["source_id"], match["field"], match["use"], match["of_replaced_record"])
        for each in search(member, q=q, **body)
        for match in each["matched"]
    ]


def id_of(importer: Importer, source_id: str) -> str:
    return str(importer.value("SELECT id FROM patient WHERE source_id = :id", id=source_id))


def pairs(member: Member, **query: Any) -> list[dict[str, Any]]:
    return list(member.get("/possible-duplicates", query_string=query).json["data"])


@pytest.mark.parametrize(
    ("typed", "field", "use"),
    [
        ("0012345", "mrn", None),
        ("12345", "mrn", None),
        ("0099887", "mrn", "old"),
        ("99887", "mrn", "old"),
        ("078-05-1120", "identifier", None),
        ("078051120", "identifier", None),
        ("78051120", "identifier", None),
        ("hc 0042-7", "identifier", "secondary"),
        ("HC00427", "identifier", "secondary"),
    ],
)
def test_each_identifier_finds_the_patient(
    member: Member, importer: Importer, typed: str, field: str, use: str | None
) -> None:
    identifiers = [
        numbered("0012345"),
        numbered("0099887", "http://former.example/mrn") | {"period": {"end": "2010"}},
        numbered("078-05-1120", "http://hl7.org/fhir/sid/us-ssn", "SS"),
        numbered("HC-00427", "http://card.example", "HC") | {"use": "secondary"},
    ]
    importer(person("p1", identifier=identifiers), person("p2"))

    assert found(member, typed) == [("p1", field, use, False)]
    assert [each["source_id"] for each in search(member, mrn=typed)] == ["p1"]


def test_a_removed_identifier_finds_nothing(member: Member, importer: Importer) -> None:
    importer(person("p1", identifier=[numbered("1001"), numbered("2002", "http://other.example")]))
    importer(person("p1", identifier=[numbered("1001")]))

    assert found(member, "2002") == []


@pytest.mark.parametrize("is_merged_by_hand", [True, False])
def test_a_survivor_is_found_by_what_the_replaced_record_has(
    member: Member, importer: Importer, is_merged_by_hand: bool
) -> None:
    importer(FORMER, SURVIVOR)
    merge = f"/patients/{id_of(importer, 'p1')}/merge"
    if is_merged_by_hand:
        assert member.post(merge, json={"into": id_of(importer, "p2")}).status_code == 200
    else:
        importer(FORMER | replaced_by("p2"))

    assert found(member, "harcourt") == [("p2", "family_name", None, True)]
    assert found(member, "70001") == [("p2", "mrn", None, True)]
    assert found(member, "quill") == [("p2", "family_name", None, False)]
    assert found(member, "nora harcourt") == [
        ("p2", "given_name", None, False),
        ("p2", "family_name", None, True),
    ]
    assert found(member, "harcourt", sort="name") == [("p2", "family_name", None, True)]
    for status in ("replaced", "all"):
        own = [("p1", "family_name", None, False)]
        assert found(member, "harcourt", record_status=status) == own
        assert found(member, "edda harcourt 70001", record_status=status)[0][0] == "p1"
    assert found(member, "nora harcourt", record_status="all") == []

    if is_merged_by_hand:
        assert member.delete(merge).status_code == 200
    else:
        importer(FORMER | {"active": True})
    assert found(member, "harcourt") == [("p1", "family_name", None, False)]
    assert found(member, "nora harcourt") == []


def test_what_the_survivor_is_called_comes_first(member: Member, importer: Importer) -> None:
    importer(FORMER, SURVIVOR, person("p3", name=[{"family": "Harcourt", "given": ["Ida"]}]))
    importer(FORMER | replaced_by("p2"))

    assert [each["source_id"] for each in search(member, q="harcourt")] == ["p3", "p2"]


def test_a_chain_of_merges_leads_to_its_last_record(member: Member, importer: Importer) -> None:
    importer(FORMER | replaced_by("p2"), SURVIVOR)
    last = person("p3", name=[{"family": "Last"}])

    importer(SURVIVOR | replaced_by("p3"), last)

    assert [each[0] for each in found(member, "harcourt")] == ["p3"]
    assert [each[0] for each in found(member, "quill")] == ["p3"]
    importer(SURVIVOR, last)
    assert found(member, "harcourt") == [("p2", "family_name", None, True)]


def test_a_withdrawn_record_is_found_only_as_such(member: Member, importer: Importer) -> None:
    importer(FORMER, FORMER | {"id": "p3", "identifier": [numbered("70003")]})
    assert len(pairs(member)) == 1

    importer.read(bundle_of(deletion("Patient/p1")))

    assert [each[0] for each in found(member, "harcourt")] == ["p3"]
    assert [each[0] for each in found(member, "harcourt", record_status="withdrawn")] == ["p1"]
    assert pairs(member) == []

    importer(FORMER | version(at="2999-01-01T00:00:00Z"))
    assert sorted(each[0] for each in found(member, "harcourt")) == ["p1", "p3"]
    assert len(pairs(member)) == 1


def test_the_terms_follow_every_change(
    member: Member,
    make_patient: MakePatient,
    importer: Importer,
    run_command: Callable[..., Any],
    tenant: Tenant,
) -> None:
    """After each change, the terms are those that are made of the rows as they are."""
    social = "http://hl7.org/fhir/sid/us-ssn"
    unnumbered = person("card-5", identifier=[numbered("078-05-1120", social, "SS")])
    importer(FORMER, SURVIVOR, unnumbered)
    source = f"/sources/{importer.value('SELECT id FROM record_source')}"
    former, survivor = (id_of(importer, each) for each in ("p1", "p2"))
    by_hand = make_patient(member, phone="+1 402 555 0142")["id"]
    changes: dict[str, Callable[[], Any]] = {
        "names": lambda: member.patch(f"/patients/{former}", json={"family_name": "Corrected"}),
        "numbers": lambda: member.patch(f"/patients/{survivor}", json={"mrn": "0009"}),
        "contact": lambda: member.patch(f"/patients/{by_hand}", json={"email": "a@b.example"}),
        "birth date": lambda: member.patch(
            f"/patients/{former}", json={"birth_date": "1950-02-03"}
        ),
        "merge": lambda: member.post(f"/patients/{former}/merge", json={"into": survivor}),
        "further merge": lambda: member.post(f"/patients/{survivor}/merge", json={"into": by_hand}),
        "release": lambda: member.delete(f"/patients/{former}/corrections/family_name"),
        "import": lambda: importer(FORMER | {"telecom": [{"system": "email", "value": "e@x.org"}]}),
        # It undoes the merge into the record that is withdrawn.
        "deletion at the source": lambda: importer.read(bundle_of(deletion("Patient/p2"))),
        "unmerge": lambda: member.delete(f"/patients/{survivor}/merge"),
        "another MRN system": lambda: member.patch(source, json={"mrn_system": social}),
        "erasure": lambda: member.delete(f"/patients/{survivor}?replaced=true"),
    }
    for name, change in changes.items():
        before = importer.query(TERMS)
        answer = change()
        assert getattr(answer, "status_code", 200) < 300, (name, answer.json)
        after = importer.query(TERMS)
        run_command("patients", "index", tenant.slug)
        assert after == importer.query(TERMS), name
        assert after != before, name


def test_nothing_to_find_an_erased_patient_by_remains(member: Member, importer: Importer) -> None:
    importer(FORMER, FORMER | {"id": "p3", "identifier": [numbered("70003")]}, SURVIVOR)
    importer(FORMER | replaced_by("p2"))
    former = id_of(importer, "p1")

    assert member.delete(f"/patients/{former}").status_code == 204

    for table in ("patient_search_term", "patient_name", "patient_identifier"):
        assert (
            importer.value(f"SELECT count(*) FROM {table} WHERE patient_id = :id", id=former) == 0
        )
    left = "SELECT count(*) FROM patient_search_term WHERE record_id = :id OR term = '70001'"
    assert importer.value(left, id=former) == 0
    either = "SELECT count(*) FROM possible_duplicate WHERE :id IN (patient_id, other_patient_id)"
    assert importer.value(either, id=former) == 0
    assert found(member, "70001", record_status="all") == []
    importer(FORMER)
    assert found(member, "70001", record_status="all") == []


def test_the_names_of_a_replaced_record_find_duplicates_of_the_survivor(
    member: Member, importer: Importer
) -> None:
    importer(FORMER | replaced_by("p2"), SURVIVOR)

    importer(FORMER | {"id": "p9"}, source="north")

    [pair] = pairs(member)
    assert {pair["patient"]["source"], pair["other_patient"]["source"]} == {"fhir", "north"}
    assert pair["reasons"] == [
        "same_name",
        "same_birth_date",
        "same_sex",
        "same_identifier",
    ]


def test_a_merged_pair_leaves_the_list_and_a_dismissed_one_stays_dismissed(
    member: Member, importer: Importer, tenant: Tenant, run_command: Callable[..., Any]
) -> None:
    importer(FORMER, FORMER | {"id": "p3", "identifier": [numbered("70003")]})
    [pair] = pairs(member)
    merge = f"/patients/{pair['patient_id']}/merge"

    assert member.post(merge, json={"into": pair["other_patient_id"]}).status_code == 200
    assert pairs(member) == []
    assert run_command("patients", "duplicates", tenant.slug, "--json").output == "[]\n"
    assert member.delete(merge).status_code == 200
    [again] = pairs(member)

    path = f"/possible-duplicates/{again['id']}"
    assert member.patch(path, json={"state": "dismissed"}).status_code == 200
    importer(FORMER | {"gender": "male"})
    assert pairs(member) == []
    assert [each["id"] for each in pairs(member, state="dismissed")] == [again["id"]]
    assert member.patch(path, json={"state": "open"}).status_code == 200
    assert len(pairs(member)) == 1
