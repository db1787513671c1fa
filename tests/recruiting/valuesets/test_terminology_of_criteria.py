"""Criteria look their codes up in the value sets and terminologies of the tenant."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from members import AsMember, MakeTenant, Member
from terminology_files import write_rxnorm, write_snomed

from trially.recruiting.criteria.checking import check_expression
from trially.recruiting.criteria.code_sets import CodeSet, Terminology, UnknownCodesError, look_up
from trially.recruiting.criteria.language.codes import CODES, Coding
from trially.recruiting.criteria.language.criteria import parse_expression
from trially.recruiting.valuesets.library import tenants_terminology
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context

LoadTerminology = Callable[..., None]
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD9CM = "http://hl7.org/fhir/sid/icd-9-cm"
SCT = "http://snomed.info/sct"
NDC = "http://hl7.org/fhir/sid/ndc"


@pytest.fixture
def tenant(make_tenant: MakeTenant, tier: Tier) -> Tenant:
    return make_tenant(tier)


@contextmanager
def terminology_of(member: Member) -> Iterator[Terminology]:
    with (
        member.app.app_context(),
        tenant_context(str(member.tenant.id)),
        tenants_terminology() as terminology,
    ):
        yield terminology


def looked_up(member: Member, codes: Any) -> CodeSet:
    with terminology_of(member) as terminology:
        return look_up(CODES.parse(codes, ""), terminology)


def create(member: Member, key: str, **compose: Any) -> dict[str, Any]:
    answer = member.post("/valuesets", json={"key": key, "name": key, "compose": compose})
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def test_value_sets_of_both_kinds_are_found(member: Member) -> None:
    create(
        member,
        "ours",
        include=[{"valueset": "chd"}],
        exclude=[{"icd10_prefix": "I25.2"}, {"codes": "icd9cm|412"}],
    )

    codes = looked_up(member, {"valueset": ["ours", "t2dm"]})

    members = [(ICD10CM, "I25.10"), (ICD10CM, "E119"), (ICD9CM, "414.01"), (SCT, "44054006")]
    others = [(ICD10CM, "I25.2"), (ICD10CM, "I252"), (ICD9CM, "412"), (ICD10CM, "E10.9")]
    assert [each for each in members if not codes.has(*each)] == []
    assert [each for each in others if codes.has(*each)] == []
    assert not codes.has(None, "E11.9")
    assert codes.title == "ours or type 2 diabetes"


def test_the_version_changes_with_the_codes(member: Member) -> None:
    created = create(member, "ours", include=[{"codes": "icd10cm|I10"}])
    path = f"/valuesets/{created['id']}"
    versions = [looked_up(member, {"valueset": "ours"}).version]
    for change in ({"name": "Renamed"}, {"compose": {"include": [{"icd10_prefix": "I10"}]}}):
        assert member.patch(path, json=change).status_code == 200
        versions.append(looked_up(member, {"valueset": "ours"}).version)

    assert versions[0] == versions[1] == created["digest"] != versions[2]


def test_each_tenant_has_its_own_value_sets(
    member: Member, as_member: AsMember, make_tenant: MakeTenant, tier: Tier
) -> None:
    other = as_member(make_tenant(tier))
    create(member, "ours", include=[{"icd10_prefix": "I10"}])
    create(other, "theirs", include=[{"icd10_prefix": "I10"}])

    with pytest.raises(UnknownCodesError, match="There is no value set 'theirs'"):
        looked_up(member, {"valueset": "theirs"})
    assert looked_up(other, {"valueset": "theirs"}).has(ICD10CM, "I10")


def test_hierarchies_that_are_not_loaded_are_problems(member: Member) -> None:
    expression = {
        "any": [
            {"condition": {"in": {"codes": ["sct|44054006"], "descendants": True}}},
            {"medication": {"in": {"ingredient": ["6809"]}}},
            {"condition": {"in": {"codes": ["icd9cm|410"], "descendants": True}}},
            {"pregnancy": {}},
        ]
    }
    with terminology_of(member) as terminology:
        problems = check_expression(parse_expression(expression), terminology)

    assert [problem.pointer for problem in problems] == [
        "/any/0/condition/in/codes/0",
        "/any/1/medication/in/ingredient/0",
    ]


def test_loaded_hierarchies_are_looked_up(
    app: Flask, member: Member, load_terminology: LoadTerminology, tmp_path: Path
) -> None:
    load_terminology("sct", write_snomed(tmp_path / "sct"))
    load_terminology("rxnorm", write_rxnorm(tmp_path / "rxnorm"), version="1")

    below = looked_up(member, {"codes": ["sct|73211009"], "descendants": True})
    products = looked_up(member, {"ingredient": ["6809"]})
    with terminology_of(member) as terminology:
        names = [
            terminology.name_of(Coding(*each))
            for each in ((SCT, "44054006"), (SCT, "313436004"), ("urn:x", "1"), (ICD10CM, "I10"))
        ]

    assert below.has(SCT, "422034002")
    assert not below.has(SCT, "38341003")
    assert {each.code for each in products.codes} >= {"6809", "861731", "861008"}
    ndc = {each.code for each in products.codes if each.system == NDC}
    assert ndc == {"00093104801", "00093-1048-01", "00093745501", "00093-7455-01"}
    assert names == ["Diabetes mellitus type 2 (disorder)", None, None, None]


def test_conditions_have_names_without_a_terminology(member: Member) -> None:
    with terminology_of(member) as terminology:
        assert terminology.name_of(Coding(SCT, "44054006")) == "type 2 diabetes"
        assert terminology.name_of(Coding(SCT, "1")) is None
        assert terminology.name_of(Coding(ICD10CM, "44054006")) is None
