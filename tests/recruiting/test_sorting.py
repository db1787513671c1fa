"""Sorted lists: every row once and in order, page by page, whatever changes in between."""

import base64
import json
from collections.abc import Iterator
from itertools import permutations
from typing import Any
from urllib.parse import urlencode

import pytest
from examples import EXAMPLES, create_all
from flask import Flask
from members import AsMember, MakePatient, MakeTenant, Member
from sqlalchemy.dialects import postgresql
from tenant_databases import ask_in

from trially.auth.roles import PhiLevel, Role
from trially.database.session import db
from trially.resources.listing import Shape
from trially.resources.resource import RESOURCES, Resource
from trially.tenancy.context import current_tenant, tenant_context

SORTED = [resource for resource in RESOURCES if resource.sorts]
KEYS = [
    pytest.param(resource, name, id=f"{resource.name}-{name}")
    for resource in SORTED
    for name in resource.sorts
]
NAMES = [(None, None), ("ada", "Z"), ("Ada", None), ("Ada", "Å"), (None, "b"), ("zoe", "A")]


@pytest.fixture(scope="module")
def clinic(make_tenant: MakeTenant, as_member: AsMember, app: Flask) -> Member:
    """An administrator of a tenant whose rows are alike in some keys and lack others."""
    member = as_member(make_tenant())
    ids = {"site_id": member.post("/sites", json={"name": "First"}).json["id"]}
    for number in range(5):
        for name in ("site", "source", "study", "value_set", "import"):
            EXAMPLES[name].create(member, ids, f"word {number // 2} {number}")
        as_member(member.tenant, Role.VIEWER)
    for number, (given, family) in enumerate(NAMES):
        patient = EXAMPLES["patient"].create(member, ids, f"m{number}")
        ask_in(
            app,
            member.tenant,
            "UPDATE tenant.patient SET given_name = %s, family_name = %s, birth_date = %s,"
            " last_encounter_on = %s, created_at = '2026-01-01' WHERE id = %s RETURNING 1",
            given,
            family,
            [None, "1950-01-01", "1950-01-01", "1960-01-01", None, "1940-01-01"][number],
            [None, "2020-01-01", None][number % 3],
            patient,
        )
    return member


@pytest.fixture(scope="module")
def crowded(make_tenant: MakeTenant, as_member: AsMember) -> Member:
    """An administrator of a tenant with three rows or more of each resource."""
    member = as_member(make_tenant())
    for number in range(3):
        create_all(member, f"word{number}")
    return member


def pages(member: Member, path: str, limit: int, **query: Any) -> Iterator[list[dict[str, Any]]]:
    """Yield the items of each page of a list."""
    cursor: dict[str, str] = {}
    while True:
        answer = member.get(f"{path}?{urlencode({'limit': limit, **query, **cursor})}")
        assert answer.status_code == 200, answer.text
        yield answer.json["data"]
        if not answer.json["page"]["has_more"]:
            return
        cursor = {"cursor": answer.json["page"]["next"]}


def ids(member: Member, path: str, limit: int, **query: Any) -> list[str]:
    return [item["id"] for page in pages(member, path, limit, **query) for item in page]


@pytest.mark.parametrize(("resource", "name"), KEYS)
def test_pages_show_every_row_once_and_in_order(
    clinic: Member, resource: Resource, name: str
) -> None:
    path = EXAMPLES[resource.name].path
    everything = set(ids(clinic, path, 200))
    upward = ids(clinic, path, 200, sort=name)

    assert len(everything) >= 5
    assert set(upward) == everything
    for limit in (1, 2, 3):
        assert ids(clinic, path, limit, sort=name) == upward
        assert ids(clinic, path, limit, sort=f"-{name}") == upward[::-1]


def test_several_keys_order_a_list_in_turn(clinic: Member) -> None:
    keys = ("name", "-birth_date", "last_encounter_on", "-mrn")
    for chosen in permutations(keys, 2):
        sort = ",".join(chosen)
        whole = ids(clinic, "/patients", 200, sort=sort)
        assert len(set(whole)) == len(whole) == len(NAMES)
        for limit in (1, 2, 4):
            assert ids(clinic, "/patients", limit, sort=sort) == whole, sort


def test_patients_are_sorted_by_what_a_key_says(clinic: Member) -> None:
    def shown(sort: str, *fields: str) -> list[Any]:
        items = clinic.get(f"/patients?sort={sort}").json["data"]
        return [tuple(item[field] or "" for field in fields) for item in items]

    for sort, *fields in (
        ("birth_date", "birth_date"),
        ("last_encounter_on,birth_date", "last_encounter_on", "birth_date"),
        ("created_at,mrn", "created_at", "mrn"),
    ):
        assert shown(sort, *fields) == sorted(shown(sort, *fields)), sort
    names = shown("name", "family_name", "given_name")
    # Unknown names first, then upper and lower case alike.
    assert [family.lower() for family, _ in names][:3] == ["", "", "a"]
    assert names[1][0] == ""
    assert shown("-name", "family_name", "given_name") == names[::-1]
    assert clinic.get("/patients?sort=name").json["data"][0].keys() == (
        clinic.get("/patients").json["data"][0].keys()
    )


def test_search_sorts_too(clinic: Member) -> None:
    found, cursor = [], None
    while True:
        body = {"sort": "-name", "limit": 2, "cursor": cursor, "total": True}
        page = clinic.post("/patients/search", json=body).json
        assert page["page"]["total"] == len(NAMES)
        found += [item["id"] for item in page["data"]]
        cursor = page["page"]["next"]
        if cursor is None:
            break

    assert found == ids(clinic, "/patients", 200, sort="-name")


def test_changes_between_pages_repeat_and_skip_no_other_row(
    app: Flask, member: Member, make_patient: MakePatient
) -> None:
    patients = {name: make_patient(member, family_name=name)["id"] for name in ("b", "d", "f", "h")}
    walk = pages(member, "/patients", 2, sort="name")

    first = next(walk)
    # The last row of the page is removed, a row appears before it, and one after it.
    member.delete(f"/patients/{patients['d']}")
    make_patient(member, family_name="a")
    added = make_patient(member, family_name="e")["id"]
    rest = [item["id"] for page in walk for item in page]

    assert [item["family_name"] for item in first] == ["b", "d"]
    assert rest == [added, patients["f"], patients["h"]]


@pytest.mark.parametrize(
    ("sort", "detail"),
    [
        ("shoe_size", "There is no sort key 'shoe_size'. Sort by: name, birth_date, mrn,"),
        ("", "There is no sort key ''. Sort by: name,"),
        ("name,", "There is no sort key ''."),
        ("--name", "There is no sort key '-name'."),
        ("{0.__class__}", "There is no sort key '{0.__class__}'."),
        ("id", "There is no sort key 'id'."),
        ("name,-name", "Must name each sort key once."),
        ("name,mrn,birth_date,created_at", "Must name at most 3 sort keys."),
    ],
)
def test_an_unknown_key_is_answered_with_the_known_ones(
    clinic: Member, sort: str, detail: str
) -> None:
    listed = clinic.get(f"/patients?{urlencode({'sort': sort})}")
    found = clinic.post("/patients/search", json={"sort": sort})

    assert (listed.status_code, listed.json["code"]) == (400, "invalid_parameter")
    assert (found.status_code, found.json["code"]) == (422, "validation_failed")
    for answer in (listed, found):
        [error] = answer.json["errors"]
        assert error["pointer"] == "/sort"
        assert error["detail"].startswith(detail)


def test_a_cursor_is_bound_to_its_order_and_discloses_nothing(clinic: Member) -> None:
    cursor = clinic.get("/patients?limit=5&sort=name").json["page"]["next"]

    for other in ("", "&sort=-name", "&sort=mrn", "&sort=name,mrn"):
        answer = clinic.get(f"/patients?cursor={cursor}{other}")
        assert (answer.status_code, answer.json["code"]) == (400, "invalid_cursor")
    assert clinic.get(f"/patients?cursor={cursor}&sort=name&total=true").status_code == 200
    padded = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    assert b"ada" not in padded.lower()


@pytest.mark.parametrize("resource", SORTED, ids=lambda resource: resource.name)
def test_no_one_sorts_by_what_is_masked(
    clinic: Member, as_member: AsMember, resource: Resource
) -> None:
    masked = as_member(clinic.tenant, Role.ADMIN, phi_level=PhiLevel.LIMITED)
    path = EXAMPLES[resource.name].path
    open_key = "created_at"

    for name, key in resource.sorts.items():
        hidden = bool(key.fields & resource.masked)
        for sort in (name, f"-{name}", f"{open_key},{name}") if name != open_key else (name,):
            answer = masked.get(f"{path}?sort={sort}")
            assert answer.status_code == (403 if hidden else 200), sort
            if hidden:
                assert answer.json["code"] == "phi_level_required"
        if resource.name == "patient":
            found = masked.post("/patients/search", json={"sort": name})
            assert found.status_code == (403 if hidden else 200)
    if resource.name == "patient":
        assert resource.sorts["name"].fields <= resource.masked
        cursor = clinic.get("/patients?limit=2&sort=name").json["page"]["next"]
        assert masked.get(f"/patients?sort=name&cursor={cursor}").status_code == 403


@pytest.mark.parametrize(("resource", "name"), KEYS)
@pytest.mark.parametrize("way", ["asc", "desc"])
def test_a_page_comes_from_the_index_of_its_key(
    app: Flask, clinic: Member, resource: Resource, name: str, way: str
) -> None:
    """If PostgreSQL must not sort, then it reads the key's index from the cursor on."""
    listing = resource._listing
    shape = Shape(frozenset(), is_restricted=False, is_continued=True, sorting=((name, way),))
    statement = listing._build(shape).compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]

    with app.app_context(), tenant_context(str(clinic.tenant.id)):
        values = {key: "2000-01-01" for key in statement.params if key.startswith("after_")}
        parameters = {
            **values,
            "after_id": current_tenant().tenant_id,
            "tenant_id": current_tenant().tenant_id,
            "rows": 3,
        }
        connection = db.session.connection()
        for method in ("seqscan", "bitmapscan", "sort", "incremental_sort"):
            connection.exec_driver_sql(f"SET LOCAL enable_{method} = off")
        plan = connection.exec_driver_sql(
            f"EXPLAIN (FORMAT JSON) {statement}", statement.construct_params(parameters)
        ).scalar_one()

    scans = [part for part in parts_of(plan[0]["Plan"]) if part.get("Index Name")]
    assert "Sort" not in json.dumps(plan)
    assert scans[0]["Index Name"] == f"ix_{resource.model.__tablename__}_sort_{name}"
    # The cursor's position is where the scan begins, not a filter of what it read.
    assert "ROW" in scans[0]["Index Cond"]


def parts_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from parts_of(inner)


@pytest.mark.parametrize("name", [name for name in EXAMPLES if "{" not in EXAMPLES[name].path])
def test_a_list_counts_its_matches_if_asked(crowded: Member, name: str) -> None:
    path = EXAMPLES[name].path
    everything = len(crowded.get(f"{path}?limit=200").json["data"])

    page = crowded.get(f"{path}?limit=2&total=true").json["page"]

    assert page["total"] == everything > 2
    following = crowded.get(f"{path}?limit=2&total=true&cursor={page['next']}").json["page"]
    assert following["total"] == everything
    assert "total" not in crowded.get(f"{path}?limit=2&cursor={page['next']}").json["page"]
    assert "total" not in crowded.get(f"{path}?total=false").json["page"]
    assert crowded.get(f"{path}?total=yes").status_code == 400


def test_a_total_counts_what_the_caller_may_see(
    member: Member, as_member: AsMember, make_patient: MakePatient
) -> None:
    here, there = (member.post("/sites", json={"name": n}).json["id"] for n in ("here", "there"))
    for site, sex in ((here, "male"), (here, "female"), (there, "female"), (None, "male")):
        make_patient(member, site_id=site, sex=sex)
    restricted = as_member(member.tenant, Role.COORDINATOR, site_ids=[here])

    def total(asked: Member, query: str = "") -> Any:
        return asked.get(f"/patients?total=true&limit=1{query}").json["page"]["total"]

    assert (total(member), total(restricted)) == (4, 2)
    assert (total(member, "&sex=female"), total(restricted, "&sex=female")) == (2, 1)
    assert total(restricted, f"&site_id={there}") == 0
