"""Values of custom fields: what is taken, masked, found and kept."""

from typing import Any

import pytest
from custom_definitions import PERSON, VALUES, add_patient, define, define_all, listed
from members import AsMember, Member

from trially.auth.roles import PhiLevel, Role
from trially.tenancy.catalog import Tenant


@pytest.fixture
def member(as_member: AsMember, tenant: Tenant) -> Member:
    return as_member(tenant)


@pytest.fixture
def fields(member: Member) -> dict[str, dict[str, Any]]:
    return define_all(member)


@pytest.fixture
def limited(as_member: AsMember, tenant: Tenant) -> Member:
    """A coordinator who sees no identifiers."""
    return as_member(tenant, Role.COORDINATOR, phi_level=PhiLevel.LIMITED)


@pytest.mark.usefixtures("fields")
def test_values_are_merged_one_by_one(member: Member) -> None:
    patient = add_patient(member, custom=VALUES)
    path = f"/patients/{patient['id']}"

    changed = member.patch(path, json={"custom": {"cohort": "B", "score": None}})
    untouched = member.patch(path, json={"phone": "+1 555 0100"})

    left = {name: value for name, value in VALUES.items() if name != "score"}
    assert patient["custom"] == VALUES
    assert changed.json["custom"] == left | {"cohort": "B"}
    assert untouched.json["custom"] == member.get(path).json["custom"] == changed.json["custom"]
    assert changed.json["masked_fields"] == []


@pytest.mark.usefixtures("fields")
@pytest.mark.parametrize(
    "values",
    [
        {"nickname": ""},
        {"nickname": "a\u0000b"},
        {"nickname": "a" * 501},
        {"nickname": 1},
        {"cohort": "C"},
        {"score": "12"},
        {"score": True},
        {"score": 1e300},
        {"consented": "yes"},
        {"consented": 1},
        {"screened_on": "02.03.2026"},
        {"screened_on": "2026-02-30"},
        {"screened_on": "20260302"},
        {"unknown": "X"},
    ],
)
def test_a_value_that_does_not_fit_is_named(member: Member, values: dict[str, Any]) -> None:
    path = f"/patients/{add_patient(member)['id']}"
    [name] = values

    created = member.post("/patients", json={**PERSON, "mrn": "1", "custom": values})
    changed = member.patch(path, json={"custom": values})

    for answer in (created, changed):
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json["errors"]] == [f"/custom/{name}"]
    assert member.get(path).json["custom"] == {}


def test_an_archived_field_keeps_its_values_and_takes_none(member: Member) -> None:
    field = define(member, name="code")
    patient = add_patient(member, custom={"code": "X"})
    path = f"/patients/{patient['id']}"
    member.patch(f"/custom-fields/{field['id']}", json={"is_archived": True})

    refused = member.patch(path, json={"custom": {"code": "Y"}})
    kept = member.get(path).json["custom"]
    found = listed(member, "custom.code=X")
    removed = member.patch(path, json={"custom": {"code": None}})

    assert (refused.status_code, kept, found) == (422, {"code": "X"}, [patient["id"]])
    assert (removed.status_code, removed.json["custom"]) == (200, {})


@pytest.mark.usefixtures("fields")
def test_identifiers_are_masked_as_all_others_are(member: Member, limited: Member) -> None:
    with_values, without = add_patient(member, custom=VALUES), add_patient(member)

    shown = limited.get(f"/patients/{with_values['id']}").json
    empty = limited.get(f"/patients/{without['id']}").json
    listed_ones = limited.get("/patients").json["data"]

    assert shown["custom"] == VALUES | {"nickname": None}
    assert empty["custom"] == {"nickname": None}
    assert "custom.nickname" in shown["masked_fields"]
    assert shown["masked_fields"] == empty["masked_fields"]
    assert [each["custom"] for each in listed_ones] == [shown["custom"], empty["custom"]]


@pytest.mark.usefixtures("fields")
def test_who_does_not_see_a_field_may_neither_find_nor_change_by_it(
    member: Member, limited: Member
) -> None:
    path = f"/patients/{add_patient(member, custom=VALUES)['id']}"

    refused = [
        limited.get("/patients?custom.nickname=Zqnick"),
        limited.get("/patients/count?custom.nickname=Zqnick"),
        limited.post("/patients/search", json={"custom": {"nickname": "Zqnick"}}),
        limited.patch(path, json={"custom": {"nickname": "Other"}}),
        limited.patch(path, json={"custom": {"nickname": None}}),
    ]
    changed = limited.patch(path, json={"custom": {"cohort": "B"}})

    assert [answer.status_code for answer in refused] == [403] * 5
    assert {answer.json["code"] for answer in refused} == {"phi_level_required"}
    assert changed.status_code == 200
    assert member.get(path).json["custom"] == VALUES | {"cohort": "B"}


@pytest.mark.usefixtures("fields")
def test_lists_counts_and_searches_find_equal_values(member: Member) -> None:
    wanted = add_patient(member, custom=VALUES)["id"]
    add_patient(member, custom={"cohort": "B", "score": 3, "consented": False})

    for query in (
        *("custom.nickname=Zqnick", "custom.cohort=A", "custom.score=12.50", "custom[cohort]=A"),
        *("custom.consented=true", "custom.screened_on=2026-03-02"),
        "custom.cohort=A&custom.score=12.5&sex=other",
    ):
        assert listed(member, query) == [wanted], query
        assert member.get(f"/patients/count?{query}").json == {"count": 1}
    assert listed(member, "custom.cohort=A&custom.score=3") == []
    assert listed(member, "custom.nickname=zq") == []
    for body in ({"custom": {"score": 12.5}}, {"custom": {"nickname": "Zqnick"}, "q": "example"}):
        found = member.post("/patients/search", json=body).json["data"]
        assert [patient["id"] for patient in found] == [wanted]


@pytest.mark.usefixtures("fields")
def test_a_changed_value_is_found_and_its_former_one_is_not(member: Member) -> None:
    patient = add_patient(member, custom={"nickname": "Before"})["id"]
    member.patch(f"/patients/{patient}", json={"custom": {"nickname": "After"}})

    assert listed(member, "custom.nickname=Before") == []
    assert listed(member, "custom.nickname=After") == [patient]


@pytest.mark.usefixtures("fields")
@pytest.mark.parametrize(
    "name_and_value",
    [
        *("unknown=1", "score=many", "score=1_0", "cohort=C", "consented=1", "cohort=", "Ada=1"),
        "cohort=A&custom[cohort]=B",
    ],
)
def test_a_filter_that_means_nothing_is_refused(member: Member, name_and_value: str) -> None:
    answer = member.get(f"/patients?custom.{name_and_value}")

    assert answer.status_code == 400
    assert answer.json["errors"][0]["pointer"].startswith("/custom")


@pytest.mark.usefixtures("fields")
def test_a_page_continues_with_its_filter_only(member: Member) -> None:
    ids = [add_patient(member, custom={"cohort": "A"})["id"] for _ in range(3)]
    first = member.get("/patients?custom.cohort=A&limit=2&total=true").json
    cursor = first["page"]["next"]

    second = member.get(f"/patients?custom.cohort=A&limit=2&cursor={cursor}").json
    other = member.get(f"/patients?custom.cohort=B&limit=2&cursor={cursor}")

    assert first["page"]["total"] == 3
    assert [each["id"] for each in first["data"] + second["data"]] == ids
    assert other.status_code == 400


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/studies", {"protocol_number": "P-1", "title": "Title"}),
        ("/sites", {"name": "Heartland"}),
    ],
)
def test_studies_and_sites_have_fields_too(
    member: Member, limited: Member, path: str, body: dict[str, Any]
) -> None:
    resource = {"/studies": "study", "/sites": "site"}[path]
    define(member, resource=resource, name="budget", type="number")
    define(member, resource=resource, name="lead")
    created = member.post(path, json={**body, "custom": {"budget": 10, "lead": "Kim"}}).json
    one = f"{path}/{created['id']}"

    changed = member.patch(one, json={"custom": {"lead": None}})
    refused = member.patch(one, json={"custom": {"budget": "much"}})
    found = limited.get(f"{path}?custom.budget=10.0").json["data"]

    assert created["custom"] == {"budget": 10, "lead": "Kim"}
    assert changed.json["custom"] == {"budget": 10}
    assert (refused.status_code, refused.json["errors"][0]["pointer"]) == (422, "/custom/budget")
    assert found == [changed.json]
    assert member.get(f"{path}?custom.lead=Kim").json["data"] == []
