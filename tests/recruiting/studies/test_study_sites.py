"""Sites and teams of studies."""

import datetime as dt
from uuid import UUID, uuid4

from members import AsMember, Member

from tests.recruiting.protocols.test_study_documents import new_study
from trially.auth.roles import Role


def new_site(member: Member) -> str:
    return str(member.post("/sites", json={"name": str(uuid4())}).json["id"])


def test_a_site_is_opened_paused_closed_and_opened_again(member: Member) -> None:
    study = new_study(member)
    body = {"site_id": new_site(member), "target_enrollment": 24, "investigator": "Dr. Aguilar"}
    site = member.post(f"{study}/sites", json=body).json
    path = f"{study}/sites/{site['id']}"

    def status(value: str, **more: object) -> dict[str, object]:
        return dict(member.patch(path, json={"status": value, **more}).json)

    assert (site["status"], site["opened_on"]) == ("planned", None)
    opened = status("open")
    assert abs(
        dt.date.fromisoformat(str(opened["opened_on"])) - dt.datetime.now(dt.UTC).date()
    ) <= (dt.timedelta(days=1))
    assert status("paused")["opened_on"] == opened["opened_on"]
    closed = status("closed", closed_on="2199-01-01")
    assert closed["closed_on"] == "2199-01-01"
    assert member.patch(path, json={"status": "planned"}).status_code == 422
    again = status("open")
    assert (again["opened_on"], again["closed_on"]) == (opened["opened_on"], None)
    assert member.get(f"{study}/sites?status=open").json["data"] == [again]
    assert member.get(f"{study}/sites?status=closed").json["data"] == []


def test_a_site_belongs_to_a_study_once(member: Member) -> None:
    study, other, site_id = new_study(member), new_study(member), new_site(member)

    answers = [
        member.post(f"{each}/sites", json={"site_id": site_id}) for each in (study, study, other)
    ]
    unknown = member.post(f"{study}/sites", json={"site_id": str(uuid4())})
    dates = {"opened_on": "2026-02-01", "closed_on": "2026-01-01"}
    early = member.post(f"{study}/sites", json={"site_id": new_site(member), **dates})

    assert [each.status_code for each in answers] == [201, 409, 201]
    assert (unknown.status_code, unknown.json["errors"][0]["pointer"]) == (422, "/site_id")
    assert early.status_code == 422
    assert member.get(f"{other}/sites/{answers[0].json['id']}").status_code == 404


def test_a_member_of_one_site_sees_that_site_of_a_study(
    member: Member, as_member: AsMember
) -> None:
    study, own, foreign = new_study(member), new_site(member), new_site(member)
    mine, theirs = (
        member.post(f"{study}/sites", json={"site_id": each}).json for each in (own, foreign)
    )
    restricted = as_member(member.tenant, Role.COORDINATOR, site_ids=[UUID(own)])

    assert restricted.get(f"{study}/sites").json["data"] == [mine]
    assert restricted.get(f"{study}/sites/{theirs['id']}").status_code == 404
    answer = restricted.patch(
        f"{study}/sites/{theirs['id']}", json={"status": "open"}, headers={"If-Match": "*"}
    )
    assert answer.status_code == 404
    assert restricted.post(f"{study}/sites", json={"site_id": foreign}).status_code == 422


def test_a_team_has_members_of_the_tenant_and_their_parts(
    member: Member, as_member: AsMember
) -> None:
    study = new_study(member)
    viewer = as_member(member.tenant, Role.VIEWER)
    viewer_id = viewer.get("/me").json["id"]

    added = member.post(f"{study}/team", json={"member_id": viewer_id, "role": "monitor"})
    again = member.post(f"{study}/team", json={"member_id": viewer_id, "role": "nurse"})
    unknown = member.post(f"{study}/team", json={"member_id": str(uuid4()), "role": "nurse"})
    path = f"{study}/team/{added.json['id']}"
    changed = member.patch(path, json={"role": "principal_investigator"})

    assert [each.status_code for each in (added, again, unknown)] == [201, 409, 422]
    assert changed.json["role"] == "principal_investigator"
    assert viewer.get(f"{study}/team").json["data"] == [changed.json]
    assert viewer.post(f"{study}/sites", json={"site_id": new_site(member)}).status_code == 403
    assert member.delete(path).status_code == 204
    assert member.get(f"{study}/team").json["data"] == []
    assert viewer.get("/me").status_code == 200
