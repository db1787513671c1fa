"""Each demo tenant has two studies with active protocols, and patients of each verdict."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from demo_records import every_organisation
from flask import Flask
from tenant_databases import access_of, remove_installation

from trially import create_app
from trially.demo.eligibility import TYPE_2_DIABETES
from trially.demo.missing_studies import LABEL, PresentStudies
from trially.demo.organisations import DEMO_ORGANISATIONS, DemoOrganisation
from trially.demo.owner import Owner, RefusedError
from trially.demo.preparing import prepare
from trially.demo.studies import RIVERBEND_STUDIES, DemoStudy, DemoStudySite
from trially.recruiting.criteria.language.criteria import SCHEMA_VERSION, parse_criteria
from trially.recruiting.criteria.language.person_leaves import Manual
from trially.recruiting.protocols.versions.model import VersionStatus
from trially.state import state_of

DAY = "2026-11-27"
"""A day on which the demo's records are recent enough."""

FIRST = DEMO_ORGANISATIONS[0].slug


@pytest.fixture(scope="module")
def demo_app(settings, app) -> Iterator[Flask]:
    """A demo of its own. The first activation of its first preparation fails, as after a kill."""
    own = replace(
        settings, database_url=access_of(app).admin_url, catalog_database="studies_of_tests"
    )
    demo = create_app(own)
    try:
        with demo.app_context(), pytest.MonkeyPatch.context() as patch:
            patch.setattr(Owner, "send", failing_at("/activate"))
            failures = prepare(state_of(demo).dev_issuer, lambda _: None)
            assert set(failures) == {each.slug for each in DEMO_ORGANISATIONS}
        with demo.app_context():
            assert prepare(state_of(demo).dev_issuer, lambda _: None) == {}
        yield demo
    finally:
        remove_installation(app, "studies_of_tests")


def failing_at(ending: str) -> Any:
    send = Owner.send

    def send_others(owner: Owner, method: str, path: str, *options: Any) -> Any:
        if path.endswith(ending):
            raise RefusedError(f"{path} fails.")
        return send(owner, method, path, *options)

    return send_others


def owner_of(app: Flask, organisation: DemoOrganisation) -> Owner:
    issuer = state_of(app).dev_issuer
    with app.app_context():
        return Owner(organisation, issuer)


@every_organisation
def test_studies_have_sites_a_team_and_matches(
    demo_app: Flask, organisation: DemoOrganisation
) -> None:
    owner = owner_of(demo_app, organisation)
    studies = owner.list("/studies")
    assert len(studies) == len(organisation.studies)
    for study in organisation.studies:
        found = next(one for one in studies if one["protocol_number"] == study.protocol_number)
        path = f"/studies/{found['id']}"
        sites = owner.list(f"{path}/sites")
        assert found["recruiting_status"] == study.recruiting_status
        assert sorted((one["status"], one["target_enrollment"]) for one in sites) == sorted(
            (one.status, one.target_enrollment) for one in study.sites
        )
        versions = owner.list(f"{path}/versions")
        if not study.criteria:
            assert versions == []
            continue
        assert [(one["number"], one["status"]) for one in versions] == [(1, "active")]
        assert len(owner.list(f"{path}/team")) >= 3
        preview = owner.send("POST", f"{path}/versions/1/preview", {"as_of": DAY})
        counts = preview["counts"]
        assert min(counts.values()) > 0, counts
        assert sum(counts.values()) == preview["patients"]
        assert owner.list(f"{path}/matches")


@every_organisation
def test_two_protocols_ask_a_person_about_some_patients(organisation: DemoOrganisation) -> None:
    with_criteria = [study for study in organisation.studies if study.criteria]
    assert len(with_criteria) == 2
    for study in with_criteria:
        written = [
            {"id": str(number), "kind": one.kind, "expression": one.expression}
            for number, one in enumerate(study.criteria)
        ]
        criteria = parse_criteria({"schema": SCHEMA_VERSION, "criteria": written}).criteria
        asked = [
            leaf
            for each in criteria
            if each.expression is not None
            for _, leaf in each.expression.leaves()
            if isinstance(leaf, Manual)
        ]
        assert len(asked) == 1


def test_a_protocol_of_people_is_left_alone() -> None:
    study = replace(RIVERBEND_STUDIES[0], sites=(DemoStudySite("Here", "open", 1),))
    assert study.criteria == TYPE_2_DIABETES

    assert PresentStudies(frozenset(), {}).lack(study)
    assert present(study).lack(study)
    assert present(study, (LABEL, VersionStatus.DRAFT)).lack(study)
    assert present(study, (LABEL, VersionStatus.IN_REVIEW)).lack(study)
    assert not present(study, (LABEL, VersionStatus.ACTIVE)).lack(study)
    assert not present(study, ("Ours", VersionStatus.DRAFT)).lack(study)
    assert not present(study).lack(replace(study, criteria=()))


def present(study: DemoStudy, *versions: tuple[str, VersionStatus]) -> PresentStudies:
    sites = frozenset((study.protocol_number, each.site) for each in study.sites)
    return PresentStudies(sites, {study.protocol_number: list(versions)} if versions else {})
