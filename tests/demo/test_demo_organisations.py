"""Demo tenants: their people, sites and studies are consistent and fictitious."""

import re

from demo_records import every_organisation, every_tenant, of_type

from trially.demo.branding import BRANDINGS
from trially.demo.organisations import DEMO_ORGANISATIONS, DemoOrganisation
from trially.organisation.branding.rows import find_warnings

ROLES = {"owner", "admin", "coordinator", "recruiter", "viewer", "auditor"}


@every_tenant
def test_no_one_can_be_reached(slug: str) -> None:
    for patient in of_type(slug, "Patient"):
        assert re.search("Test|Sample|Demo|Mock", patient["name"][0]["family"])
        for contact in patient["telecom"]:
            if contact["system"] == "phone":
                assert re.fullmatch(r"\d{3}-555-01\d\d", contact["value"])
            else:
                assert contact["value"].endswith("@example.org")


def test_there_is_a_tenant_of_each_kind() -> None:
    kinds = [organisation.kind for organisation in DEMO_ORGANISATIONS]
    sites = [len(organisation.sites) for organisation in DEMO_ORGANISATIONS]

    assert kinds == ["site", "cro", "health_system"]
    assert sites == [1, 4, 3]


@every_organisation
def test_an_organisation_holds_together(organisation: DemoOrganisation) -> None:
    sites = {site.name for site in organisation.sites}
    protocols = {study.protocol_number for study in organisation.studies}

    assert {person.role for person in organisation.people} == ROLES
    assert all(person.email.endswith("@example.org") for person in organisation.people)
    assert all(
        person.subject.startswith(f"demo|{organisation.slug}|") for person in organisation.people
    )
    assert 2 <= len(protocols) == len(organisation.studies) <= 4
    for study in organisation.studies:
        assert study.nct_id is None
        assert {each.site for each in study.sites} <= sites
        assert sum(each.target_enrollment for each in study.sites) == study.target_enrollment


def test_two_tenants_have_colours_of_their_own_that_can_be_read() -> None:
    assert len(BRANDINGS) == 2
    assert BRANDINGS.keys() < {each.slug for each in DEMO_ORGANISATIONS}
    for branding in BRANDINGS.values():
        assert find_warnings(branding) == []


def test_people_are_told_apart_across_tenants() -> None:
    people = [person for each in DEMO_ORGANISATIONS for person in each.people]

    for attribute in ("subject", "email", "display_name"):
        assert len({getattr(person, attribute) for person in people}) == len(people)
