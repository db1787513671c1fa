"""Sites."""

from typing import Any
from uuid import uuid4

import pytest
from members import Member


def test_a_site_is_added_shown_and_changed(member: Member) -> None:
    answer = member.post("/sites", json={"name": "Main", "city": "Bern"})
    site = answer.json

    assert answer.status_code == 201
    assert site == {
        "id": site["id"],
        "etag": '"1"',
        "name": "Main",
        "status": "active",
        "investigator": None,
        "city": "Bern",
        "state": None,
        "postal_code": None,
        "country": None,
        "latitude": None,
        "longitude": None,
        "custom": {},
        "created_at": site["created_at"],
        "updated_at": site["created_at"],
    }
    changed = member.patch(f"/sites/{site['id']}", json={"city": None, "status": "inactive"}).json
    assert changed == {
        **site,
        "etag": '"2"',
        "city": None,
        "status": "inactive",
        "updated_at": changed["updated_at"],
    }
    assert member.get(f"/sites/{site['id']}").json == changed


def test_a_name_is_given_once(member: Member) -> None:
    member.post("/sites", json={"name": "Main"})
    other = member.post("/sites", json={"name": "Other"}).json

    for answer in (
        member.post("/sites", json={"name": "Main"}),
        member.patch(f"/sites/{other['id']}", json={"name": "Main"}),
    ):
        assert answer.status_code == 409
        assert answer.json["errors"] == [
            {"pointer": "/name", "detail": "There is a site of this name already."}
        ]


def test_sites_are_listed_by_status_and_page(member: Member) -> None:
    names = [f"Site {number}" for number in range(5)]
    for name in names:
        member.post("/sites", json={"name": name})
    member.post("/sites", json={"name": "Shut", "status": "inactive"})

    first = member.get("/sites?status=active&limit=3").json
    second = member.get(
        "/sites",
        query_string={"status": "active", "limit": 3, "cursor": first["page"]["next"]},
    ).json

    assert [site["name"] for site in first["data"] + second["data"]] == names
    assert second["page"] == {"next": None, "has_more": False}
    assert [site["name"] for site in member.get("/sites?status=inactive").json["data"]] == ["Shut"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": None},
        {"name": "x" * 201},
        {"status": "shut"},
        {"status": None},
        {"city": "\x00"},
        {"id": str(uuid4())},
        {"tenant_id": str(uuid4())},
        {"owner": "x"},
    ],
)
def test_what_breaks_a_rule_is_refused(shared_member: Member, wrong: dict[str, Any]) -> None:
    for answer in (
        shared_member.post("/sites", json={"name": "Main", **wrong}),
        shared_member.patch(f"/sites/{uuid4()}", json=wrong),
    ):
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json["errors"]] == [f"/{next(iter(wrong))}"]


def test_a_site_that_is_not_there_is_not_found(shared_member: Member) -> None:
    for answer in (
        shared_member.get(f"/sites/{uuid4()}"),
        shared_member.patch(f"/sites/{uuid4()}", json={"city": "Bern"}),
    ):
        assert answer.status_code == 404
        assert answer.json["detail"] == "There is no such site."
    assert shared_member.delete(f"/sites/{uuid4()}").status_code == 405
