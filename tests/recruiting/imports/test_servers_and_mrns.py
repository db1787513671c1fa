"""A record is known by its source, the base URL of its server, its type and its id."""

import pytest
from flask import Flask

from tests.conftest import AsMember, MakeTenant
from tests.recruiting.imports.importing import Importer, write_ndjson
from tests.recruiting.imports.record_histories import (
    bundle_of,
    diagnosis,
    empty,
    entry,
    numbered,
    person,
    replaced_by,
    version,
)
from trially.database.session import transaction
from trially.recruiting.imports.source_state import SourceChangedError, load_source, store_base_url
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context

EAST, WEST = "http://east.example/fhir", "http://west.example/fhir"
DIAGNOSES = """
SELECT patient.mrn, clinical_fact.code FROM clinical_fact
JOIN patient USING (tenant_id)
WHERE patient.id = clinical_fact.patient_id
ORDER BY 1, 2
"""
MRNS = "SELECT source_id, mrn FROM patient ORDER BY 1, 2"


@pytest.fixture(scope="module")
def tenant(make_tenant: MakeTenant) -> Tenant:
    """One tenant for all tests of this module."""
    return make_tenant()


@pytest.fixture
def importer(app: Flask, tenant: Tenant) -> Importer:
    """Imports into `tenant`, which is empty."""
    return empty(Importer(app, tenant))


def refer(base: str, patient: str) -> dict[str, dict[str, str]]:
    return {"subject": {"reference": f"{base}/Patient/{patient}"}}


@pytest.mark.parametrize("is_absolute", [True, False])
def test_two_servers_with_equal_ids_keep_their_own_records(
    importer: Importer, is_absolute: bool
) -> None:
    east = refer(EAST, "1001") if is_absolute else {}
    west = refer(WEST, "1001") if is_absolute else {}
    job = importer.read(
        bundle_of(
            entry(person("1001", "E1"), EAST),
            entry(diagnosis("5", "1001", "254837009", **east), EAST),
            entry(person("1001", "W1"), WEST),
            entry(diagnosis("6", "1001", "399068003", **west), WEST),
            entry(diagnosis("5", "1001", "73211009", **west), WEST),
        )
    )

    assert job["error_count"] == 0
    assert importer.query(DIAGNOSES) == [
        ("E1", "254837009"),
        ("W1", "399068003"),
        ("W1", "73211009"),
    ]


def test_two_imports_at_once_do_not_take_their_servers_for_one(importer: Importer) -> None:
    with importer.app.app_context(), tenant_context(importer.tenant.slug):
        with transaction():
            first, second, third = (load_source("fhir") for _ in range(3))
            for source, base in ((first, EAST), (second, WEST), (third, EAST)):
                assert source.foreign_base(base) == ""
            store_base_url(first)
            store_base_url(third)
        with transaction(), pytest.raises(SourceChangedError):
            store_base_url(second)


def test_two_sources_with_equal_ids_and_mrns_keep_their_own_records(importer: Importer) -> None:
    importer(person("1", "A"), diagnosis("5", "1", "254837009"), source="north")
    importer(person("1", "B"), diagnosis("5", "1", "399068003"), source="south")
    importer(person("1", "A", gender="male"), source="north")

    assert importer.query(DIAGNOSES) == [("A", "254837009"), ("B", "399068003")]
    assert importer.query("SELECT source, sex FROM patient ORDER BY 1") == [
        ("north", "male"),
        ("south", "female"),
    ]


def test_records_with_and_without_the_sources_own_url_are_the_same(importer: Importer) -> None:
    importer.read(bundle_of(entry(person("p1"), EAST), entry(diagnosis("c1", "p1"), EAST)))

    job = importer(person("p1"), diagnosis("c1", "p1", code="73211009"))

    assert job["counts"]["Patient"]["new"] == job["counts"]["Condition"]["new"] == 0
    assert importer.query(DIAGNOSES) == [("M-p1", "73211009")]


def test_mrns_are_unique_within_their_system_only(importer: Importer) -> None:
    north, south = "http://north.example/mrn", "http://south.example/mrn"

    job = importer(
        person("a1", identifier=[numbered("1042", north)]),
        person("b1", identifier=[numbered("1042", south)]),
        diagnosis("ca", "a1"),
        diagnosis("cb", "b1"),
    )

    assert job["error_count"] == 0
    assert importer.query(MRNS) == [("a1", "1042"), ("b1", "1042")]
    assert importer.value("SELECT count(DISTINCT patient_id) FROM clinical_fact") == 2


@pytest.mark.parametrize(
    "after",
    [
        {"p1": "200", "p2": "100", "p3": "300"},
        {"p1": "200", "p2": "300", "p3": "100"},
        {"p3": "400", "p2": "300", "p1": "200"},
        {"p1": "200", "p2": "300", "p3": "400"},
    ],
    ids=["swap", "cycle", "shift from the end", "shift from the beginning"],
)
def test_mrns_are_exchanged_and_shifted(importer: Importer, after: dict[str, str]) -> None:
    importer(person("p1", "100"), person("p2", "200"), person("p3", "300"))

    job = importer(*(person(source_id, mrn) for source_id, mrn in after.items()))

    assert job["error_count"] == 0
    assert importer.query(MRNS) == sorted(after.items())


def test_a_taken_mrn_is_refused_alone(importer: Importer) -> None:
    importer(person("p1", "100"), person("p2", "200"))

    job = importer(person("p1", "300"), person("p3", "200"), person("p4", "100"))

    assert job["error_count"] == 1
    assert importer.query(MRNS) == [("p1", "300"), ("p2", "200"), ("p4", "100")]


def test_an_exchange_succeeds_beside_a_taken_mrn(importer: Importer) -> None:
    importer(*(person(f"p{number}", f"{number}00") for number in range(1, 6)))

    job = importer(
        person("p1", "200"),
        person("x1", "500"),
        person("p3", "400"),
        person("x2", "500"),
        person("p4", "300"),
        person("x3", "600"),
        person("p2", "100"),
    )

    assert job["error_count"] == 2
    assert importer.query(MRNS) == [
        ("p1", "200"),
        ("p2", "100"),
        ("p3", "400"),
        ("p4", "300"),
        ("p5", "500"),
        ("x3", "600"),
    ]


def test_a_patient_who_cannot_move_keeps_the_mrn_from_others(importer: Importer) -> None:
    importer(*(person(f"p{number}", f"{number}00") for number in range(1, 4)))

    job = importer(person("p1", "200"), person("p2", "300"))

    assert job["error_count"] == 2
    assert importer.query(MRNS) == [("p1", "100"), ("p2", "200"), ("p3", "300")]


def test_the_fault_of_a_taken_mrn_names_the_other_resource(importer: Importer) -> None:
    importer(person("p1", "100"))

    importer(person("p2", "100"))

    assert importer.query(
        "SELECT code, resource_type, resource_id, other_id FROM import_fault"
    ) == [("mrn_taken", "Patient", "p2", "Patient/p1")]


@pytest.mark.parametrize(
    "former", [replaced_by("p2"), {"link": replaced_by("p2")["link"]}, {"active": False}]
)
@pytest.mark.parametrize("is_first", [True, False])
def test_a_record_out_of_use_does_not_hold_its_mrn(
    importer: Importer, former: dict[str, object], is_first: bool
) -> None:
    patients = [person("p1", "100", **former), person("p2", "100")]

    job = importer(*(patients if is_first else reversed(patients)))

    assert job["error_count"] == 0
    assert importer.query(MRNS) == [("p1", "100"), ("p2", "100")]


def test_a_patient_may_take_an_mrn_in_the_import_in_which_another_one_leaves_it(
    importer: Importer,
) -> None:
    importer(person("p1", "100"))

    job = importer(person("p2", "100"), person("p1", "100", **replaced_by("p2")))

    assert job["error_count"] == 0
    assert importer.query("SELECT source_id FROM patient WHERE replaced_by_id IS NULL") == [("p2",)]


def test_all_identifiers_are_stored_and_the_mrn_is_the_record_number(importer: Importer) -> None:
    identifiers = [
        numbered("123-45-6789", "http://hl7.org/fhir/sid/us-ssn", "SS"),
        numbered("0007001"),
        numbered("X9", "http://licence.example", "DL"),
    ]
    importer(person("p1", identifier=identifiers))

    assert importer.value("SELECT mrn FROM patient") == "0007001"
    assert importer.query(
        "SELECT system, value, type FROM patient_identifier ORDER BY value"
    ) == sorted(
        [
            (each["system"], each["value"], each["type"]["coding"][0]["code"])
            for each in identifiers
        ],
        key=lambda row: str(row[1]),
    )

    importer(person("p1", identifier=identifiers[:2]))

    assert importer.query("SELECT value FROM patient_identifier ORDER BY value") == [
        ("0007001",),
        ("123-45-6789",),
    ]


def test_tenants_that_share_ids_share_nothing(
    app: Flask, make_tenant: MakeTenant, as_member: AsMember, tier: Tier
) -> None:
    first, second = (Importer(app, make_tenant(tier)) for _ in range(2))
    resources = (person("p1", "100"), person("p2", "200"), diagnosis("c1", "p1"))
    first(*resources)
    second(*resources)

    job = first(
        person("p1", "200", **version(2)),
        person("p2", "100", **version(2)),
        diagnosis("c1", "p2", **version(2)),
    )

    assert job["error_count"] == 0
    assert first.query(MRNS) == [("p1", "200"), ("p2", "100")]
    assert first.query(DIAGNOSES) == [("100", "44054006")]
    assert second.query(MRNS) == [("p1", "100"), ("p2", "200")]
    assert second.query(DIAGNOSES) == [("100", "44054006")]
    for importer in (first, second):
        member = as_member(importer.tenant)
        assert len(member.get("/patients").json["data"]) == 2


def test_a_system_that_is_chosen_during_an_import_holds_for_the_rest(importer: Importer) -> None:
    north, south = "http://north.example/mrn", "http://south.example/mrn"
    people = [
        write_ndjson(person(name, identifier=[numbered(f"N-{name}", north), numbered(name, south)]))
        for name in ("a", "b")
    ]

    def choose(_done: int) -> None:
        importer.query("UPDATE record_source SET mrn_system = :system", system=south)

    importer.read(*people, progress=choose)

    assert importer.query(MRNS) == [("a", "N-a"), ("b", "b")]
