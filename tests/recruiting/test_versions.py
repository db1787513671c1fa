"""ETags: what has been changed since it was seen is not overwritten."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from examples import CHANGED, create_all, create_another, new_word
from members import AsMember, MakePatient, Member
from tenant_databases import ask_in


def patch(member: Member, path: str, body: Any, **headers: str) -> Any:
    """Send exactly these headers, where `Member.patch` would add what is missing."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    content_type = {"Content-Type": "application/merge-patch+json"}
    return member.request("PATCH", path, json=body, headers=content_type | headers)


@pytest.fixture(scope="module")
def ids(shared_member: Member) -> dict[str, str]:
    """One row of each resource. Each test changes one of its own."""
    return create_all(shared_member)


def paths_of_new(member: Member, ids: dict[str, str], name: str) -> tuple[str, str]:
    """Create a row of a resource, and return the paths of its list and of the row."""
    ids = create_another(member, ids, name)
    listed = CHANGED[name].path.format(**ids)
    return listed, f"{listed}/{ids[f'{name}_id']}"


@pytest.mark.parametrize("name", sorted(CHANGED))
def test_a_version_is_followed_through_its_changes(
    shared_member: Member, ids: dict[str, str], name: str
) -> None:
    example, member = CHANGED[name], shared_member
    listed, path = paths_of_new(member, ids, name)
    if example.body is None:
        created = member.get(path)
    else:
        created = member.post(listed, json=example.body(ids, new_word()))
        path = f"{listed}/{created.json['id']}"
    etag = created.headers["ETag"]

    assert etag.startswith('"')
    assert "version" not in created.json
    assert created.json["etag"] == member.get(path).json["etag"] == etag
    [row] = [row for row in member.get(listed).json["data"] if row["id"] == created.json["id"]]
    assert row["etag"] == etag
    assert member.get(path).headers["ETag"] == etag
    same = member.get(path, headers={"If-None-Match": f'"x", {etag}'})
    assert (same.status_code, same.data, same.headers["ETag"]) == (304, b"", etag)

    changed = patch(member, path, example.change, If_Match=etag)
    assert changed.status_code == 200
    assert changed.headers["ETag"] != etag
    read = member.get(path, headers={"If-None-Match": etag})
    assert (read.status_code, read.headers["ETag"]) == (200, changed.headers["ETag"])

    late = patch(member, path, example.change, If_Match=etag)
    assert (late.status_code, late.json["type"]) == (412, "/problems/precondition-failed")
    assert patch(member, path, example.change).status_code == 428
    assert patch(member, path, example.change, If_Match="*").status_code == 200


@pytest.mark.parametrize("name", sorted(CHANGED))
def test_what_matches_nothing_changes_nothing(
    shared_member: Member, ids: dict[str, str], name: str
) -> None:
    example = CHANGED[name]
    _, path = paths_of_new(shared_member, ids, name)
    etag = shared_member.get(path).headers["ETag"]

    for wrong in (f"W/{etag}", '""', '"x"', '"-1"', '"9999999999999999999999"', ""):
        assert patch(shared_member, path, example.change, If_Match=wrong).status_code == 412, wrong

    assert shared_member.get(path).headers["ETag"] == etag
    assert patch(shared_member, path, example.change, If_Match=f'"77", {etag}').status_code == 200


@pytest.mark.parametrize("name", sorted(CHANGED))
def test_what_is_not_there_is_not_found_whatever_was_seen(shared_member: Member, name: str) -> None:
    path, change = f"{CHANGED[name].path}/{uuid4()}", CHANGED[name].change
    for tag in ("*", '"1"', '"x"'):
        answer = patch(shared_member, path, change, If_Match=tag)
        assert answer.status_code == 404, tag


def test_a_patient_is_removed_as_seen_or_not_at_all(
    member: Member, make_patient: MakePatient
) -> None:
    path = f"/patients/{make_patient(member)['id']}"
    etag = member.get(path).headers["ETag"]
    member.patch(path, json={"phone": "1"})

    assert member.request("DELETE", path).status_code == 428
    assert member.delete(path, headers={"If-Match": etag}).status_code == 412
    assert member.get(path).status_code == 200
    assert member.delete(path).status_code == 204
    assert member.delete(path, headers={"If-Match": etag}).status_code == 404


def test_of_two_who_have_seen_the_same_one_wins(member: Member) -> None:
    made = member.post("/sites", json={"name": "Main"})
    path, etag = f"/sites/{made.json['id']}", made.headers["ETag"]

    def change(number: int) -> int:
        return int(patch(member, path, {"city": str(number)}, If_Match=etag).status_code)

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(change, range(8)))

    assert statuses == [200] + [412] * 7


def test_masked_patients_have_tags_of_their_own(
    member: Member, as_member: AsMember, make_patient: MakePatient
) -> None:
    path = f"/patients/{make_patient(member)['id']}"
    masked = as_member(member.tenant, phi_level="limited")

    etag, masked_etag = (each.get(path).headers["ETag"] for each in (member, masked))

    assert etag != masked_etag
    assert masked.get(path, headers={"If-None-Match": etag}).status_code == 200
    assert masked.get(path, headers={"If-None-Match": masked_etag}).status_code == 304


@pytest.mark.parametrize("name", sorted(CHANGED))
@pytest.mark.parametrize("level", ["full", "limited"])
def test_a_row_of_a_list_can_be_changed_without_reading_it(
    shared_member: Member, ids: dict[str, str], as_member: AsMember, name: str, level: str
) -> None:
    example = CHANGED[name]
    asking = as_member(shared_member.tenant, phi_level=level)
    listed, path = paths_of_new(shared_member, ids, name)
    row_id = asking.get(path).json["id"]
    [row] = [row for row in asking.get(listed).json["data"] if row["id"] == row_id]

    changed = patch(asking, path, example.change, If_Match=row["etag"])

    assert changed.status_code == 200
    assert changed.json["etag"] == changed.headers["ETag"] != row["etag"]
    assert asking.get(path).json["etag"] == changed.json["etag"]
    assert patch(asking, path, example.change, If_Match=row["etag"]).status_code == 412


def test_whatever_writes_a_row_makes_a_version(app: Any, member: Member) -> None:
    upload = b'{"resourceType": "Patient", "id": "p1", "name": [{"family": "%s"}]}\n'
    etags = set()
    for name in (b"One", b"Two"):
        job = member.post(
            "/imports?source=fhir", data=upload % name, content_type="application/ndjson"
        ).json["id"]
        (patient,) = member.get("/patients").json["data"]
        etags.add(member.get(f"/patients/{patient['id']}").headers["ETag"])
        seen = member.get(f"/imports/{job}")
        assert seen.headers["ETag"]
        again = member.get(f"/imports/{job}", headers={"If-None-Match": seen.headers["ETag"]})
        assert again.status_code == 304

    assert len(etags) == 2
    ask_in(app, member.tenant, "UPDATE tenant.patient SET phone = '2' RETURNING 1")
    assert member.get(f"/patients/{patient['id']}").headers["ETag"] not in etags
