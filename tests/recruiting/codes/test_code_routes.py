"""Codes of loaded terminologies are searched and looked up."""

from collections.abc import Callable
from pathlib import Path

import pytest
from members import AsMember, Member
from terminology_files import write_order_file, write_rxnorm

from trially.auth.roles import PhiLevel, Role
from trially.tenancy.catalog import Tenant

LoadTerminology = Callable[..., None]
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"


@pytest.fixture(autouse=True)
def _loaded(load_terminology: LoadTerminology, tmp_path: Path) -> None:
    load_terminology("icd10cm", [write_order_file(tmp_path / "icd")])
    load_terminology("rxnorm", write_rxnorm(tmp_path / "rxnorm"), version="2026-11-02")


@pytest.mark.parametrize("system", ["icd10cm", ICD10CM])
def test_codes_are_found_as_somebody_types(shared_member: Member, system: str) -> None:
    answer = shared_member.get(
        "/codes/search", query_string={"system": system, "q": "diab type 2", "limit": 2}
    )

    assert answer.json == {
        "data": [
            {
                "system": ICD10CM,
                "code": "E11",
                "display": "Type 2 diabetes mellitus",
                "kind": None,
                "is_active": True,
            },
            {
                "system": ICD10CM,
                "code": "E11.00",
                "display": "Type 2 diab w hyperosm w/o coma",
                "kind": None,
                "is_active": True,
            },
        ],
        "version": "2026",
    }


def test_a_code_is_shown_with_its_neighbours(shared_member: Member) -> None:
    answer, ingredient = (
        shared_member.get(f"/codes/lookup?system=rxnorm&code={code}").json["data"][0]
        for code in ("861731", "6809")
    )

    assert answer["kind"] == "SCD"
    assert {each["code"] for each in answer["parents"]} == {"316255", "315239"}
    assert answer["children"] == []
    assert {each["code"] for each in ingredient["children"]} == {"235743", "151827"}


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("/codes/search?system=sct&q=x", None),
        ("/codes/lookup?system=loinc&code=4548-4", None),
        ("/codes/search?system=rxnorm&q=nothing", "2026-11-02"),
        ("/codes/lookup?system=icd10cm&code=Z99.9", "2026"),
    ],
)
def test_nothing_is_found_in_what_is_not_loaded(
    shared_member: Member, path: str, version: str | None
) -> None:
    answer = shared_member.get(path)

    assert answer.status_code == 200
    assert answer.json == {"data": [], "version": version}


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"q": "x"}, "system"),
        ({"system": "icd11", "q": "x"}, "system"),
        ({"system": "icd10cm"}, "q"),
        ({"system": "icd10cm", "q": " "}, "q"),
        ({"system": "icd10cm", "q": "x" * 101}, "q"),
        ({"system": "icd10cm", "q": "x", "limit": 51}, "limit"),
    ],
)
def test_queries_are_checked(shared_member: Member, query: dict[str, str], name: str) -> None:
    answer = shared_member.get("/codes/search", query_string=query)

    assert answer.status_code == 400
    assert name in answer.text


def test_systems_are_listed_with_their_releases(shared_member: Member) -> None:
    systems = {each["name"]: each for each in shared_member.get("/codes/systems").json["data"]}

    assert list(systems) == ["sct", "icd10cm", "rxnorm", "loinc"]
    assert systems["sct"] == {
        "name": "sct",
        "url": "http://snomed.info/sct",
        "title": "SNOMED CT",
        "is_loaded": False,
        "version": None,
        "identity": None,
        "codes": None,
    }
    assert (systems["icd10cm"]["version"], systems["icd10cm"]["codes"]) == ("2026", 5)


def test_members_of_every_level_search_codes(tenant: Tenant, as_member: AsMember) -> None:
    auditor = as_member(tenant, Role.AUDITOR, phi_level=PhiLevel.NONE)

    assert len(auditor.get("/codes/search?system=icd10cm&q=hyper").json["data"]) == 3
