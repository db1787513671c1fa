"""Proposals of criteria through the API, for tests."""

from typing import Any

from members import Member

TEXT = """Inclusion Criteria:

* Age 18 or older
* HbA1c of 7 to 10 %
* Able to use a smartphone

Exclusion Criteria:

* Uncontrolled asthma
"""
AGE, HBA1C, PHONE, ASTHMA = range(4)


def propose(member: Member, version: str, **body: Any) -> Any:
    return member.post(f"{version}/proposals", json=body)


def proposed(member: Member, version: str, text: str = TEXT, **body: Any) -> list[dict[str, Any]]:
    """Let a reader propose criteria from a text, and return the proposals."""
    answer = propose(member, version, text=text, **body)
    assert answer.status_code == 200, answer.text
    return proposals(member, version)


def proposals(member: Member, version: str, **query: str) -> list[dict[str, Any]]:
    listed = member.get(f"{version}/proposals", query_string=query)
    assert listed.status_code == 200, listed.text
    data: list[dict[str, Any]] = listed.json["data"]
    return data


def decide(member: Member, version: str, proposal: Any, word: str, **body: Any) -> Any:
    path = f"{version}/proposals/{proposal['id']}/{word}"
    return member.post(path, json=body, headers={"If-Match": proposal["etag"]})


def accept(member: Member, version: str, proposal: Any, **body: Any) -> dict[str, Any]:
    """Accept a proposal, and return the criterion that it became."""
    answer = decide(member, version, proposal, "accept", **body)
    assert answer.status_code == 200, answer.text
    criteria = member.get(f"{version}/criteria").json["criteria"]
    [found] = [each for each in criteria if each["key"] == answer.json["criterion_key"]]
    return dict(found)
