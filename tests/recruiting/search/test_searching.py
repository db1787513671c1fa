# ruff: noqa: RUF001
"""Search as a coordinator types: what `q` and the single fields find, and in which order."""

from typing import Any
from unicodedata import normalize
from uuid import UUID

import pytest
from members import AsMember, MakePatient, MakeTenant, Member

from trially.auth.roles import Role
from trially.tenancy.catalog_choices import Tier

BY_HAND: tuple[dict[str, str], ...] = (
    {"given_name": "José Luis", "family_name": "García-Márquez", "mrn": "00012345"},
    {"given_name": "Siobhán", "family_name": "O'Connor", "phone": "+1 (402) 555-0142"},
    {"given_name": "Nora", "family_name": "O’Brien", "phone": "+49 (0)30 123456"},
    {"given_name": "Jan", "family_name": "van der Berg"},
    {"given_name": "Karl", "family_name": "Straße", "birth_date": "1931-02-28"},
    {"given_name": "Jörg", "family_name": "Müller", "email": "J.Mueller@Example.com"},
    {"given_name": normalize("NFD", "Renée"), "family_name": normalize("NFD", "Muñoz")},
    {"given_name": "Elizabeth", "family_name": "Windsor", "birth_date": "1926-04-21"},
    {"given_name": "Anh", "family_name": "Nguyễn Văn"},
    {"given_name": "Łukasz", "family_name": "Wałęsa", "mrn": "MRN-00990077"},
    {"given_name": "健", "family_name": "佐藤"},
    {"given_name": "Иван", "family_name": "Сидоров"},
    {"given_name": "Ronald", "family_name": "McDonald", "birth_date": "1961-04-03"},
    {"given_name": "Anna", "family_name": "Andersson", "birth_date": "1961-03-04"},
    {"given_name": "Ann", "family_name": "Smith"},
    {"given_name": "Joan", "family_name": "Smithson"},
    {"given_name": "Joseph", "family_name": "Smyth"},
    {"given_name": "Öykü", "family_name": "İnan"},
)

FOUND_BY_Q = {
    "jose": {"García-Márquez", "Smyth"},  # Jose is short for Joseph
    "JOSÉ": {"García-Márquez", "Smyth"},
    "luis garcia": {"García-Márquez"},
    "marquez": {"García-Márquez"},
    "garcia marquez, jose": {"García-Márquez"},
    "garciamarquez": {"García-Márquez"},
    "  márquez  ": {"García-Márquez"},
    "12345": {"García-Márquez"},
    "00012345": {"García-Márquez"},
    " 0012345": {"García-Márquez"},
    "O'Connor": {"O'Connor"},
    "O’Connor": {"O'Connor"},
    "oconnor": {"O'Connor"},
    "o connor": {"O'Connor"},
    "connor": {"O'Connor"},
    "siobhan": {"O'Connor"},
    "obrien": {"O’Brien"},
    "O'Brien": {"O’Brien"},
    "Oʼbrien": {"O’Brien"},
    "O`brien nora": {"O’Brien"},
    "402 555 0142": {"O'Connor"},
    "(402) 555-0142": {"O'Connor"},
    "+1.402.555.0142": {"O'Connor"},
    "5550142": {"O'Connor"},
    "0142": {"O'Connor"},
    "+4930123456": {"O’Brien"},
    "030 123456": {"O’Brien"},
    "0049 30 12 34 56": {"O’Brien"},
    "berg": {"van der Berg"},
    "van der berg": {"van der Berg"},
    "vanderberg": {"van der Berg"},
    "jan van der b": {"van der Berg"},
    "strasse": {"Straße"},
    "STRASSE": {"Straße"},
    "Straße": {"Straße"},
    "straẞe": {"Straße"},
    "muller": {"Müller"},
    "mueller": {"Müller"},
    "MÜLLER": {"Müller"},
    normalize("NFD", "müller"): {"Müller"},
    "j.mueller@example.com": {"Müller"},
    "j.mueller@": {"Müller"},
    "munoz": {"Muñoz"},
    normalize("NFC", "Muñoz"): {"Muñoz"},
    normalize("NFD", "Muñoz"): {"Muñoz"},
    "renee": {"Muñoz"},
    "betty": {"Windsor"},
    "Liz Windsor": {"Windsor"},
    "21.4.1926": {"Windsor"},
    "1926-04-21": {"Windsor"},
    "4/21/1926": {"Windsor"},
    "21/04/26": {"Windsor"},
    "21 April 1926": {"Windsor"},
    "windsor 1926": {"Windsor"},
    "1926": {"Windsor"},
    "1926-04": {"Windsor"},
    "19260421": {"Windsor"},
    "windsor 1927": set(),
    "nguyen": {"Nguyễn Văn"},
    "nguyen van anh": {"Nguyễn Văn"},
    "lukasz walesa": {"Wałęsa"},
    "mrn-990077": {"Wałęsa"},
    "MRN 00990077": {"Wałęsa"},
    "mrn00990077": {"Wałęsa"},
    "990077": {"Wałęsa"},
    "佐": {"佐藤"},
    "佐藤健": {"佐藤"},
    "佐藤 健": {"佐藤"},
    "сид": {"Сидоров"},
    "ИВАН": {"Сидоров"},
    "sidorov": {"Сидоров"},
    "mc donald": {"McDonald"},
    "mcdonald": {"McDonald"},
    "mcdnoald": {"McDonald"},
    "mcdonlad ronald": {"McDonald"},
    "anderson": {"Andersson"},
    "aynnan": set(),
    "inan": {"İnan", "Сидоров"},  # Ivan, with one letter changed
    "İnan öykü": {"İnan"},
    "03/04/1961": {"McDonald", "Andersson"},
    "smith ann": {"Smith"},
    "%": set(),
    "_": set(),
    "' OR true --": set(),
    "-": set(),
    "nobody": set(),
}


@pytest.fixture(scope="module")
def coordinator(tier: Tier, make_tenant: MakeTenant, as_member: AsMember) -> Member:
    return as_member(make_tenant(tier), Role.COORDINATOR)


@pytest.fixture(scope="module")
def patients(coordinator: Member, make_patient: MakePatient) -> dict[str, dict[str, Any]]:
    # A random MRN might begin with digits that a test searches for.
    created = [
        make_patient(coordinator, **{"mrn": "chart-" + "x" * number, **values})
        for number, values in enumerate(BY_HAND, 1)
    ]
    return {normalize("NFC", patient["family_name"]): patient for patient in created}


def search(member: Member, **body: Any) -> list[dict[str, Any]]:
    answer = member.post("/patients/search", json=body)
    assert answer.status_code == 200, answer.json
    return list(answer.json["data"])


def family_names(found: list[dict[str, Any]]) -> list[str]:
    return [normalize("NFC", patient["family_name"]) for patient in found]


@pytest.mark.usefixtures("patients")
def test_q_finds_what_people_type(coordinator: Member) -> None:
    found = {q: set(family_names(search(coordinator, q=q))) for q in FOUND_BY_Q}

    assert {q: names for q, names in found.items() if names != FOUND_BY_Q[q]} == {}


@pytest.mark.usefixtures("patients")
def test_the_best_matches_come_first_and_say_what_matched(coordinator: Member) -> None:
    found = search(coordinator, q="smith")

    assert family_names(found) == ["Smith", "Smithson", "Smyth"]
    assert [[(match["field"], match["kind"]) for match in each["matched"]] for each in found] == [
        [("family_name", "exact")],
        [("family_name", "prefix")],
        [("family_name", "similar")],
    ]
    (betty,) = search(coordinator, q="betty 1926-04-21")
    assert [(match["field"], match["kind"]) for match in betty["matched"]] == [
        ("given_name", "nickname"),
        ("birth_date", "exact"),
    ]


@pytest.mark.usefixtures("patients")
def test_an_ambiguous_date_says_how_it_was_read(coordinator: Member) -> None:
    found = {
        patient["birth_date"]: patient["matched"][0]["hint"]
        for patient in search(coordinator, q="03/04/1961")
    }

    assert found == {
        "1961-03-04": "Read as month/day/year.",
        "1961-04-03": "Read as day/month/year.",
    }


@pytest.mark.usefixtures("patients")
def test_single_fields_and_q_must_all_hold(coordinator: Member) -> None:
    assert family_names(search(coordinator, given_name="betty")) == ["Windsor"]
    assert family_names(search(coordinator, family_name=" marq ")) == ["García-Márquez"]
    assert family_names(search(coordinator, family_name="jose")) == []
    assert family_names(search(coordinator, mrn=" 12345 ")) == ["García-Márquez"]
    assert family_names(search(coordinator, mrn="1234")) == []
    assert family_names(search(coordinator, q="ann", family_name="smith")) == ["Smith"]
    assert family_names(search(coordinator, q="windsor", birth_date="1926-04-21")) == ["Windsor"]
    assert family_names(search(coordinator, q="windsor", birth_date="1926-04-22")) == []
    assert family_names(search(coordinator, q="windsor", sex="male")) == []
    by_name = search(coordinator, q="smith", sort="-name")
    assert family_names(by_name) == ["Smyth", "Smithson", "Smith"]
    assert all(patient["matched"] for patient in by_name)


@pytest.mark.usefixtures("patients")
def test_ranked_results_go_on_page_by_page(coordinator: Member) -> None:
    body: dict[str, Any] = {"q": "a", "limit": 2, "total": True}
    names: list[str] = []
    while True:
        answer = coordinator.post("/patients/search", json=body).json
        names += family_names(answer["data"])
        if not answer["page"]["has_more"]:
            break
        body["cursor"] = answer["page"]["next"]

    assert answer["page"]["total"] == len(names)
    assert sorted(names) == sorted(set(names)) == sorted(["Andersson", "Nguyễn Văn", "Smith"])
    other = {**body, "q": "b"}
    assert coordinator.post("/patients/search", json=other).status_code == 400


def test_too_many_words_are_refused(coordinator: Member) -> None:
    answer = coordinator.post("/patients/search", json={"q": "a b c d e f g h i j k"})

    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == "/q"


def test_a_changed_name_is_found_and_the_old_one_is_not(
    coordinator: Member, make_patient: MakePatient
) -> None:
    patient = make_patient(coordinator, family_name="Vorher")
    coordinator.patch(f"/patients/{patient['id']}", json={"family_name": "Nachher"})

    assert family_names(search(coordinator, q="nachher")) == ["Nachher"]
    assert search(coordinator, q="vorher") == []


def test_members_see_only_what_their_phi_level_and_sites_allow(
    coordinator: Member,
    make_patient: MakePatient,
    as_member: AsMember,
    make_tenant: MakeTenant,
    tier: Tier,
) -> None:
    site, other = (
        coordinator.post("/sites", json={"name": name}).json["id"] for name in ("Here", "There")
    )
    make_patient(coordinator, family_name="Sited", site_id=site)
    make_patient(coordinator, family_name="Sited", site_id=other)
    viewer = as_member(coordinator.tenant, Role.VIEWER)
    local = as_member(coordinator.tenant, Role.RECRUITER, site_ids=[UUID(site)])
    stranger = as_member(make_tenant(tier))

    refused = viewer.post("/patients/search", json={"q": "sited"})
    assert refused.status_code == 403
    assert refused.json["errors"][0]["pointer"] == "/q"
    assert [each["site_id"] for each in search(local, q="sited")] == [site]
    assert [each["site_id"] for each in search(local, q="sited", sort="name")] == [site]
    assert len(search(coordinator, q="sited")) == 2
    assert search(stranger, q="sited") == []
    assert search(viewer, sex="female", limit=1)[0]["matched"] == []
