"""What a value set reaches in the tenant's facts, in each tier."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from members import AsMember, MakeFact, MakePatient, MakeTenant, Member
from sqlalchemy import insert, text
from terminology_files import write_order_file, write_snomed

from trially.auth.roles import PhiLevel, Role
from trially.database.rows import table_of
from trially.database.session import db, transaction
from trially.recruiting.matching.usable import used_of
from trially.recruiting.records.model import ClinicalFact, RecordCoding
from trially.recruiting.valuesets.reach import counting, report
from trially.recruiting.valuesets.reach.occurring import CODE, jumps
from trially.recruiting.valuesets.starter_sets import starter_sets
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context

ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
SCT = "http://snomed.info/sct"
LoadTerminology = Callable[..., None]
AddFact = Callable[..., str]


@pytest.fixture
def tenant(make_tenant: MakeTenant, tier: Tier) -> Tenant:
    return make_tenant(tier)


@pytest.fixture
def add_condition(make_fact: MakeFact) -> AddFact:
    """Insert a condition of a patient."""

    def add(member: Member, patient: dict[str, Any], code: str, **values: Any) -> str:
        condition = {"type": "condition", "source_type": "Condition", "code_system": ICD10CM}
        return make_fact(member.tenant, patient["id"], **condition | {"code": code} | values)

    return add


def path_of(key: str) -> str:
    return f"/valuesets/{starter_sets()[key].id}/reach"


def reach(member: Member, key: str = "t2dm") -> dict[str, Any]:
    answer = member.get(path_of(key))
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def numbers(answer: dict[str, Any]) -> tuple[Any, Any]:
    return answer["facts"], answer["patients"]


def missed(answer: dict[str, Any]) -> dict[str, str]:
    return {each["code"]: each["reason"] for each in answer["missed"]}


def test_facts_and_patients_are_counted_by_code(
    member: Member, make_patient: MakePatient, add_condition: AddFact
) -> None:
    one, other = make_patient(member), make_patient(member)
    for code in ("E11.9", "E11.9", "E1165", "E10.9"):
        add_condition(member, one, code)
    add_condition(member, other, "E11.9")
    add_condition(member, other, "44054006", code_system=SCT)
    add_condition(member, other, "E11.9", code_system="http://hl7.org/fhir/sid/icd-10")
    for wrong in (
        {"entered_in_error": True},
        {"negated": True},
        {"focus": "The mother"},
        {"date_problem": "too_early"},
    ):
        add_condition(member, other, "E11.8", **wrong)

    answer = reach(member)

    assert numbers(answer) == (6, 2)
    assert answer["is_complete"] is True
    found = {(each["system"], each["code"]): numbers(each) for each in answer["codes"]}
    assert found == {
        (ICD10CM, "E11.9"): (3, 2),
        (ICD10CM, "E1165"): (1, 1),
        (SCT, "44054006"): (1, 1),
        ("http://hl7.org/fhir/sid/icd-10", "E11.9"): (1, 1),
    }


def test_another_tenant_with_equal_ids_counts_for_nothing(
    make_tenant: MakeTenant,
    tier: Tier,
    as_member: AsMember,
    make_patient: MakePatient,
    add_condition: AddFact,
) -> None:
    ours, theirs = as_member(make_tenant(tier)), as_member(make_tenant(tier))
    fact_id = uuid4()
    for member, codes in ((ours, ["E11.9"]), (theirs, ["E11.9", "E11.8", "E11.0"])):
        patient = make_patient(member)
        for number, code in enumerate(codes):
            add_condition(member, patient, code, **({"id": fact_id} if number == 0 else {}))

    created = [
        member.post(
            "/valuesets",
            json={"key": "same", "name": name, "compose": {"include": [{"icd10_prefix": prefix}]}},
        ).json
        for member, name, prefix in ((ours, "Ours", "E11"), (theirs, "Theirs", "I10"))
    ]

    assert numbers(reach(ours)) == (1, 1)
    assert numbers(reach(theirs)) == (3, 1)
    own = ours.get(f"/valuesets/{created[0]['id']}/reach").json
    assert numbers(own) == (1, 1)
    assert ours.get(f"/valuesets/{created[1]['id']}/reach").status_code == 404
    assert ours.get(f"/valuesets/{created[1]['id']}/expansion").status_code == 404
    preview = ours.post("/valuesets/preview", json={"compose": {"include": [{"valueset": "same"}]}})
    assert preview.json["digest"] == created[0]["digest"] != created[1]["digest"]


def test_further_codings_count_their_fact_once(
    app: Flask,
    tenant: Tenant,
    member: Member,
    make_patient: MakePatient,
    add_condition: AddFact,
) -> None:
    patient = make_patient(member)
    local = add_condition(member, patient, "DM2", code_system="urn:local", other_codings=[{}])
    both = add_condition(member, patient, "44054006", code_system=SCT, other_codings=[{}])
    codings = [
        {"record_id": local, "system": ICD10CM, "code": "E11.9"},
        {"record_id": local, "system": SCT, "code": "44054006"},
        {"record_id": both, "system": ICD10CM, "code": "E11.9"},
        {"record_id": local, "system": "urn:local", "code": "E11.8"},
    ]
    with app.app_context(), tenant_context(str(tenant.id)), transaction():
        db.session.execute(
            insert(RecordCoding),
            [{"tenant_id": tenant.id, "id": uuid4(), **coding} for coding in codings],
        )

    assert numbers(reach(member)) == (2, 1)


def test_codes_that_the_set_may_lack_are_named(
    member: Member,
    make_patient: MakePatient,
    add_condition: AddFact,
    load_terminology: LoadTerminology,
    tmp_path: Path,
) -> None:
    load_terminology("sct", write_snomed(tmp_path))
    load_terminology("icd10cm", [write_order_file(tmp_path)])
    compose = {"include": [{"codes": ["icd10cm|E11.9", "sct|44054006"]}]}
    created = member.post("/valuesets", json={"key": "a", "name": "Diabetes", "compose": compose})
    patient, second = make_patient(member), make_patient(member)
    add_condition(member, patient, "E11.00")
    add_condition(member, patient, "E11.9", code_system="urn:local", display="Diab")
    add_condition(member, second, "E11.9", code_system=None)
    for each in (patient, second):
        add_condition(member, each, "46635009", code_system=SCT)
    add_condition(member, patient, "DM-L1", code_system="urn:local", display="Diabetes, local")
    add_condition(member, patient, "I10")
    add_condition(member, patient, "38341003", code_system=SCT, display="High blood pressure")

    answer = member.get(f"/valuesets/{created.json['id']}/reach").json

    assert numbers(answer) == (0, 0)
    reasons = [(each["system"], each["code"], each["reason"]) for each in answer["missed"]]
    assert reasons[0] == (SCT, "46635009", "sibling"), "The code of most patients comes first."
    assert len(reasons) == 5
    assert set(reasons[1:]) == {
        (ICD10CM, "E11.00", "same_category"),
        (None, "E11.9", "same_code"),
        ("urn:local", "DM-L1", "similar_name"),
        ("urn:local", "E11.9", "same_code"),
    }
    assert answer["missed"][0]["display"] == "Diabetes mellitus type 1 (disorder)"
    names = {each["code"]: each["display"] for each in answer["missed"]}
    assert names["DM-L1"] == "Diabetes, local"


def test_codes_that_are_equal_by_chance_are_not_missed(
    member: Member, make_patient: MakePatient, add_condition: AddFact
) -> None:
    """ICD-9's 174 is the beginning of codes of LOINC, RxNorm and SNOMED CT."""
    patient = make_patient(member)
    add_condition(member, patient, "C50.911")
    for code, system in (
        ("1742-6", "http://loinc.org"),
        ("1740467", "http://www.nlm.nih.gov/research/umls/rxnorm"),
        ("174041007", SCT),
    ):
        add_condition(member, patient, code, code_system=system)
    add_condition(member, patient, "1749", code_system="urn:local")
    add_condition(member, patient, "C50.912", code_system="http://hl7.org/fhir/sid/icd-10")
    procedure = {"type": "procedure", "code_system": SCT, "display": "Screening of breasts"}
    add_condition(member, patient, "268547008", **procedure)

    answer = reach(member, "breast_cancer")

    assert numbers(answer) == (2, 1)
    assert missed(answer) == {"1749": "same_code"}


def test_small_numbers_and_texts_of_sources_need_the_level_full(
    tenant: Tenant,
    member: Member,
    as_member: AsMember,
    make_patient: MakePatient,
    add_condition: AddFact,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(report, "FEWEST_PATIENTS_SHOWN", 3)
    patients = [make_patient(member) for _ in range(3)]
    for patient in patients:
        add_condition(member, patient, "E11.9", display="Ada Example's diabetes")
        add_condition(member, patient, "Ada", code_system="urn:x", display="Ada Example: diabetes")
    add_condition(member, patients[0], "E11.8")
    add_condition(member, patients[0], "44054006", code_system="urn:x")

    whole = reach(member)
    assert {each["code"] for each in whole["codes"]} == {"E11.9", "E11.8"}
    assert missed(whole) == {"Ada": "similar_name", "44054006": "same_code"}

    for level, role in ((PhiLevel.LIMITED, Role.VIEWER), (PhiLevel.NONE, Role.AUDITOR)):
        limited = as_member(tenant, role, phi_level=level)
        answer = limited.get(path_of("t2dm"))
        assert numbers(answer.json) == (4, 3)
        assert {each["code"]: numbers(each) for each in answer.json["codes"]} == {
            "E11.9": (3, 3),
            "E11.8": (None, None),
        }
        assert answer.json["missed"] == []
        assert "Ada" not in answer.text


def test_nothing_is_hidden_if_nothing_is_reached(
    tenant: Tenant, member: Member, as_member: AsMember
) -> None:
    viewer = as_member(tenant, Role.VIEWER)

    assert reach(viewer) == {
        "facts": 0,
        "patients": 0,
        "is_complete": True,
        "codes": [],
        "missed": [],
    }


def test_members_restricted_to_sites_count_these_sites(
    tenant: Tenant,
    member: Member,
    as_member: AsMember,
    make_patient: MakePatient,
    add_condition: AddFact,
) -> None:
    sites = [member.post("/sites", json={"name": name}).json["id"] for name in ("A", "B")]
    here, there = (make_patient(member, site_id=site) for site in sites)
    add_condition(member, here, "E11.9")
    add_condition(member, there, "E11.9")
    add_condition(member, there, "E11.8")
    add_condition(member, there, "DM", code_system="urn:local", display="Type 2 diabetes")
    restricted = as_member(tenant, Role.COORDINATOR, site_ids=[UUID(sites[0])])

    answer = reach(restricted)

    assert numbers(answer) == (1, 1)
    assert [each["code"] for each in answer["codes"]] == ["E11.9"]
    assert answer["missed"] == []
    assert numbers(reach(member)) == (3, 2)
    add_condition(member, here, "DM", code_system="urn:local", display="Type 2 diabetes of Ada")
    [local] = reach(restricted)["missed"]
    assert (local["code"], local["patients"], local["display"]) == ("DM", 1, None)


def test_counting_is_bounded(
    member: Member,
    make_patient: MakePatient,
    add_condition: AddFact,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(counting, "MOST_FACTS", 3)
    patient = make_patient(member)
    for _ in range(5):
        add_condition(member, patient, "E11.9")

    answer = reach(member)

    assert answer["is_complete"] is False
    assert numbers(answer) == (3, 1)


def plan_of(member: Member, statement: str, **parameters: Any) -> str:
    """Return the plan of a statement if PostgreSQL avoids to read whole tables."""
    with member.app.app_context(), tenant_context(str(member.tenant.id)), transaction():
        db.session.execute(text("SET LOCAL enable_seqscan = off"))
        # Other tests decide how many rows the tables of pooled tenants have.
        db.session.execute(text("SET LOCAL enable_sort = off"))
        rows = db.session.execute(text(f"EXPLAIN {statement}"), parameters)
        return "\n".join(row[0] for row in rows)


def copy_facts(member: Member, number: int) -> None:
    """Copy the tenant's facts with other codes. So reading all costs more than an index."""
    names = [column.name for column in table_of(ClinicalFact).c if column.computed is None]
    new = {
        "id": "gen_random_uuid()",
        "source_id": "'copy ' || number",
        "code": "'C' || number",
    }
    with member.app.app_context(), tenant_context(str(member.tenant.id)), transaction():
        db.session.execute(
            text(
                f"INSERT INTO clinical_fact ({', '.join(names)})"
                f" SELECT {', '.join(new.get(name, name) for name in names)}"
                " FROM clinical_fact, generate_series(1, :number) AS number"
                " WHERE tenant_id = :tenant_id"
            ),
            {"number": number, "tenant_id": member.tenant.id},
        )
        db.session.execute(text("SELECT trially.analyze_tables()"))


def test_codes_are_read_from_their_indexes(
    member: Member, make_patient: MakePatient, add_condition: AddFact
) -> None:
    add_condition(member, make_patient(member), "I10")
    copy_facts(member, 2_000)
    parameters = {"tenant_id": member.tenant.id, "most": 10}
    for kind, index in (
        ("observation", "measured"),
        ("condition", "coded"),
        ("encounter", "coded"),
    ):
        jump = plan_of(member, str(jumps("clinical_fact", CODE, used_of(kind))), **parameters)
        counted = plan_of(
            member,
            f"WITH key AS MATERIALIZED ({counting._unnest('')}) {counting._of_type(kind)}",
            **parameters,
            **counting._arrays("", [counting.Key(kind, "E11.9", (ICD10CM,))]),
        )
        for plan in (jump, counted):
            assert f"ix_clinical_fact_{index}" in plan, plan
            assert "Seq Scan on clinical_fact" not in plan
        conditions = [line for line in counted.splitlines() if "Index Cond" in line]
        assert any("key.code" in each for each in conditions), counted
    further = plan_of(member, str(jumps("record_coding", CODE, "true")), **parameters)
    assert "ix_record_coding_code" in further
    assert "Seq Scan on record_coding" not in further
