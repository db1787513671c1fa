"""A process compiles studies once; for another tenant, version or meaning of codes, again."""

import datetime as dt
from collections.abc import Iterator
from uuid import UUID

import pytest
from flask import Flask
from members import MakeTenant

from tests.recruiting.criteria.generated_criteria import Json
from trially.recruiting.criteria.code_sets import CodeSet, NoTerminology, UnknownCodesError
from trially.recruiting.criteria.english.sentences import describe_asked
from trially.recruiting.criteria.english.words import Names
from trially.recruiting.criteria.language.codes import Coding
from trially.recruiting.criteria.language.criteria import parse_criteria
from trially.recruiting.study_matching.compiling import compile_studies
from trially.recruiting.study_matching.studies import MatchedStudy
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context

APPROVED = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
LATER = APPROVED + dt.timedelta(days=1)
ADULTS: Json = {"age": {"gte": 18}}
WOMEN: Json = {"sex": ["female"]}
CODED: Json = {"condition": {"in": {"codes": ["sct|195967001"]}}}
NAMED: Json = {"condition": {"in": {"valueset": ["asthma"]}}}


class Library(NoTerminology):
    """A terminology of one value set."""

    def __init__(self, *codes: str, name: str | None = None) -> None:
        self.codes, self.name = codes, name

    def name_of(self, coding: Coding) -> str | None:  # noqa: ARG002
        return self.name

    def value_set(self, name: str) -> CodeSet | None:  # noqa: ARG002
        if not self.codes:
            return None
        return CodeSet(frozenset(Coding("http://snomed.info/sct", each) for each in self.codes))


def study_of(leaf: Json, approved_at: dt.datetime | None = APPROVED) -> MatchedStudy:
    """Return a study with the same version each time."""
    criteria = {
        "schema": 1,
        "criteria": [{"id": "c", "kind": "inclusion", "expression": leaf}],
    }
    stamp = None if approved_at is None else (UUID(int=2), "0" * 64, approved_at)
    return MatchedStudy(UUID(int=1), UUID(int=2), parse_criteria(criteria), stamp=stamp)


@pytest.fixture
def tenants(app: Flask, make_tenant: MakeTenant) -> Iterator[tuple[Tenant, Tenant]]:
    with app.app_context():
        yield make_tenant(Tier.POOLED_ROWS), make_tenant(Tier.POOLED_ROWS)


def compiled(tenant: Tenant, study: MatchedStudy, library: Library = Library("1")) -> object:  # noqa: B008
    with tenant_context(str(tenant.id)):
        return compile_studies([study], library)


def test_a_version_is_compiled_once(tenants: tuple[Tenant, Tenant]) -> None:
    tenant, _ = tenants

    assert compiled(tenant, study_of(NAMED)) is compiled(tenant, study_of(NAMED), Library("1"))


def test_another_tenant_has_its_own(tenants: tuple[Tenant, Tenant]) -> None:
    tenant, other = tenants
    first = compiled(tenant, study_of(ADULTS))

    assert first is not compiled(other, study_of(WOMEN))
    assert first is compiled(tenant, study_of(ADULTS))


def test_a_version_that_is_approved_again_may_differ(tenants: tuple[Tenant, Tenant]) -> None:
    tenant, _ = tenants

    assert compiled(tenant, study_of(ADULTS)) is not compiled(tenant, study_of(WOMEN, LATER))


def test_criteria_that_may_change_are_compiled_each_time(tenants: tuple[Tenant, Tenant]) -> None:
    tenant, _ = tenants

    assert compiled(tenant, study_of(ADULTS, None)) is not compiled(tenant, study_of(ADULTS, None))


def test_codes_may_get_another_meaning(tenants: tuple[Tenant, Tenant]) -> None:
    tenant, _ = tenants
    first = compiled(tenant, study_of(NAMED))

    assert compiled(tenant, study_of(NAMED), Library("1", "2")) is not first
    with pytest.raises(UnknownCodesError, match="There is no value set 'asthma'"):
        compiled(tenant, study_of(NAMED), Library())


def test_sentences_are_written_again_when_a_code_gets_another_name(
    tenants: tuple[Tenant, Tenant],
) -> None:
    tenant, other = tenants
    asthma, disorder = Library(name="asthma"), Library(name="asthma (disorder)")

    assert asked(tenant, asthma) == asked(tenant, asthma) == "The patient has or had asthma."
    assert asked(tenant, disorder) == "The patient has or had asthma (disorder)."
    assert asked(other, asthma) == "The patient has or had asthma."


def asked(tenant: Tenant, library: Library) -> str:
    """Return what the criterion of a study asks, as a request writes it."""
    with tenant_context(str(tenant.id)):
        study = compile_studies([study_of(CODED)], library)
        [rule] = study.rules[UUID(int=2)]
        return describe_asked(rule.criterion, Names(library, study.wordings))
