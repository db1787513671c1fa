"""What the server shows after a merge patch is what RFC 7396 says of it, whatever the patch."""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest
from fuzzing import fuzzed
from hypothesis import given
from hypothesis import strategies as st

from trially.recruiting.patients.model import ContactPreference, Sex
from trially.recruiting.sites.model import SiteStatus
from trially.recruiting.studies.model import Phase, StudyStatus, StudyType

LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
NEVER_SHOWN_TWICE = {"updated_at", "clinical_version"}


def text(longest: int) -> st.SearchStrategy[str]:
    return st.text(LETTERS, min_size=1, max_size=min(longest, 12)).filter(str.strip)


def patch_of(
    kept: Mapping[str, st.SearchStrategy[Any]], removable: Mapping[str, st.SearchStrategy[Any]]
) -> st.SearchStrategy[dict[str, Any]]:
    """Patches that change any of these, and remove only what may be missing."""
    optional = {**kept, **{name: st.none() | values for name, values in removable.items()}}
    return st.fixed_dictionaries({}, optional=optional)


DAYS = st.dates(dt.date(1850, 1, 1), dt.date(2025, 1, 1)).map(str)
ADDRESSES = patch_of(
    {}, {name: text(20) for name in ("line", "city", "state", "postal_code", "country")}
)
PATCHES = {
    "addresses": patch_of({}, {"address": ADDRESSES}),
    "patients": patch_of(
        {
            "given_name": text(200),
            "birth_date": DAYS,
            "sex": st.sampled_from(Sex),
            "deceased": st.booleans(),
            "contact_preference": st.sampled_from(ContactPreference),
        },
        {
            "race": text(200),
            "phone": text(64),
            "address": ADDRESSES,
            "deceased_at": DAYS.map(lambda day: f"{day}T12:00:00Z"),
        },
    ),
    "studies": patch_of(
        {
            "title": text(500),
            "phases": st.lists(st.sampled_from(Phase), max_size=5),
            "study_type": st.sampled_from(StudyType),
            "status": st.sampled_from(StudyStatus),
            "conditions": st.lists(text(200), max_size=3),
        },
        {"sponsor": text(200), "target_enrollment": st.integers(0, 10_000_000)},
    ),
    "sites": patch_of(
        {"status": st.sampled_from(SiteStatus)},
        {name: text(20) for name in ("investigator", "city", "state", "postal_code", "country")},
    ),
}


def body_of(room: str) -> dict[str, Any]:
    return {
        "studies": {"protocol_number": str(uuid4()), "title": "X"},
        "sites": {"name": str(uuid4())},
        "patients": {
            "mrn": str(uuid4()),
            "given_name": "A",
            "family_name": "B",
            "birth_date": "1990-01-01",
            "sex": "other",
        },
    }[room]


def merge(target: Any, patch: Any) -> Any:
    """Apply a patch as the pseudocode of RFC 7396, section 2, does."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged


def without_missing(shown: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what a representation shows as null: it is not there."""
    return {
        name: value
        for name, value in shown.items()
        if value is not None and name not in NEVER_SHOWN_TWICE
    }


@pytest.mark.parametrize("patched", sorted(PATCHES))
@fuzzed(60)
@given(drawn=st.data())
def test_a_patch_does_what_the_rfc_says(
    shared_member: Any, patched: str, drawn: st.DataObject
) -> None:
    room = "patients" if patched == "addresses" else patched
    first = drawn.draw(st.just({}) | PATCHES[patched])
    made = shared_member.post(f"/{room}", json=body_of(room) | without_missing(first))
    assert made.status_code == 201, made.text
    path, expected = f"/{room}/{made.json['id']}", without_missing(made.json)

    for patch in drawn.draw(st.lists(PATCHES[patched], min_size=1, max_size=3)):
        expected = merge(expected, patch)
        answer = shared_member.patch(path, json=patch, headers={"If-Match": "*"})
        assert answer.status_code == 200, answer.text
        assert without_missing(answer.json) == expected
        assert shared_member.get(path).json == answer.json


@pytest.mark.parametrize("room", ["patients", "sites", "studies"])
@fuzzed(20)
@given(
    patch=st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.lists(st.integers(), max_size=2)
)
def test_a_patch_that_is_no_object_changes_nothing(
    shared_member: Any, room: str, patch: Any
) -> None:
    made = shared_member.post(f"/{room}", json=body_of(room))
    path = f"/{room}/{made.json['id']}"

    answer = shared_member.patch(path, data=json.dumps(patch), headers={"If-Match": "*"})

    assert answer.status_code == 422
    assert shared_member.get(path).headers["ETag"] == made.headers["ETag"]
