"""Custom fields of tests, and patients with values of them."""

from typing import Any
from uuid import uuid4

from members import Member

FIELDS: tuple[dict[str, Any], ...] = (
    {"name": "nickname", "type": "text"},
    {"name": "cohort", "type": "choice", "choices": ["A", "B"], "phi": "none"},
    {"name": "score", "type": "number", "phi": "none"},
    {"name": "consented", "type": "boolean", "phi": "none"},
    {"name": "screened_on", "type": "date", "phi": "none"},
)
"""Fields of patients: one of each type, of which the first one is an identifier."""

PERSON = {
    "given_name": "Ada",
    "family_name": "Example",
    "birth_date": "1960-05-17",
    "sex": "other",
}
VALUES = {
    "nickname": "Zqnick",
    "cohort": "A",
    "score": 12.5,
    "consented": True,
    "screened_on": "2026-03-02",
}


def define(member: Member, **body: Any) -> dict[str, Any]:
    """Define a field as a member, and return it."""
    body = {"resource": "patient", "label": body["name"].title(), "type": "text", **body}
    answer = member.post("/custom-fields", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def define_all(member: Member) -> dict[str, dict[str, Any]]:
    """Define a field of each type, and return them by name."""
    return {field["name"]: define(member, **field) for field in FIELDS}


def add_patient(member: Member, **values: Any) -> dict[str, Any]:
    """Create a patient as a member, and return it."""
    answer = member.post("/patients", json={**PERSON, "mrn": str(uuid4()), **values})
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def listed(member: Member, query: str) -> list[str]:
    """Return the ids of the patients whom a list finds."""
    answer = member.get(f"/patients?{query}")
    assert answer.status_code == 200, answer.text
    return [patient["id"] for patient in answer.json["data"]]
