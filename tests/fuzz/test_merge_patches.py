"""What the server shows after a merge patch is what RFC 7396 says of it, whatever the patch."""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

import pytest
from examples import CHANGED, ROUTES, contract_for, create_all, new_word
from fuzzing import fuzzed
from hypothesis import assume, given
from hypothesis import strategies as st
from marshmallow import Schema, fields, validate
from members import Member
from sqlalchemy import UniqueConstraint

from trially.database.rows import table_of
from trially.http.fields import Text
from trially.plain_text import is_plain
from trially.resources.resource import RESOURCES

LEFT_OUT = {
    "custom_field": frozenset({"choices", "phi"}),
    "member": frozenset({"role", "email"}),
    "webhook": frozenset({"url", "event_types"}),
}
"""Fields that refuse some values of their type, such as rights that the caller lacks, or sort them.
"""

LETTERS = st.characters(exclude_categories=["Cs"]).filter(is_plain)
NEVER_SHOWN_TWICE = {
    "updated_at",
    "clinical_version",
    "etag",
    # They follow from the state of an alert.
    "acknowledged_at",
    "acknowledged_by",
}


def text(longest: int) -> st.SearchStrategy[str]:
    return st.text(LETTERS, min_size=1, max_size=min(longest, 12)).filter(str.strip)


STATES = {"study_site": frozenset({"status"})}
"""Fields that change others: tests/recruiting/studies has tests of what follows from them."""

DAYS = st.dates(dt.date(1850, 1, 1), dt.date(2025, 1, 1)).map(str)


MAPPINGS = st.dictionaries(
    st.sampled_from(["patients", "labs", "medications"]),
    st.none()
    | st.fixed_dictionaries(
        {},
        optional={
            "decimal": st.none() | st.sampled_from([",", "."]),
            "code_system": st.none() | st.sampled_from(["LOINC", "SCT"]),
            "dates": st.none() | st.just(["DD/MM/YYYY"]),
            "columns": st.none()
            | st.dictionaries(st.just("patient"), st.none() | text(5), max_size=1),
        },
    ),
    max_size=2,
)
"""Patches of an object that is stored as one document."""


def values_of(field: fields.Field[Any]) -> st.SearchStrategy[Any] | None:
    """Return values that a field accepts, or None for one that must lead somewhere or be unique."""
    choices = [each for each in field.validators if isinstance(each, validate.OneOf)]
    ranges = [each for each in field.validators if isinstance(each, validate.Range)]
    lengths = [each for each in field.validators if isinstance(each, validate.Length)]
    if choices:
        return st.sampled_from(list(choices[0].choices))
    if field.name == "time_zone":
        return st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"])
    if field.name == "column_mapping":
        return MAPPINGS
    match field:
        case fields.Boolean():
            return st.booleans()
        case fields.Integer():
            return st.integers(ranges[0].min, ranges[0].max) if ranges else st.integers(0, 1000)
        case fields.AwareDateTime():
            return DAYS.map(lambda day: f"{day}T12:00:00Z")
        case fields.Date():
            return DAYS
        case fields.List():
            inner = items_of(field.inner)
            return None if inner is None else st.lists(inner, max_size=min(3, lengths[0].max))
        case fields.Nested():
            return patch_of(field.schema, frozenset())
        case Text():
            return text(lengths[0].max)
    return None


def items_of(field: fields.Field[Any]) -> st.SearchStrategy[Any] | None:
    """Return values of a list's items: a patch replaces a list, so its objects are whole."""
    if not isinstance(field, fields.Nested):
        return values_of(field)
    required = {name: each for name, each in field.schema.fields.items() if each.required}
    return patch_of(field.schema, frozenset(required)).flatmap(
        lambda patch: st.fixed_dictionaries(
            {name: values_of(each) for name, each in required.items()}
        ).map(lambda whole: merge({}, patch) | whole)
    )


def patch_of(schema: Schema, left_out: frozenset[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Return patches that change fields, and remove those that may be null."""
    optional = {
        name: st.none() | values if field.allow_none else values
        for name, field in schema.fields.items()
        if not field.dump_only and name not in left_out and (values := values_of(field)) is not None
    }
    return st.fixed_dictionaries({}, optional=optional)


def patches_of(name: str) -> st.SearchStrategy[dict[str, Any]]:
    """Return patches of a resource that its route accepts."""
    argument = "<int:version>" if name == "protocol_version" else f"<uuid:{name}_id>"
    [schema] = [
        contract_for(rule).body
        for rule, method in ROUTES
        if method == "PATCH" and rule.rule.endswith(argument)
    ]
    [table] = [table_of(each.model) for each in RESOURCES if each.name == name]
    unique = {
        column.name
        for constraint in table.constraints
        if isinstance(constraint, UniqueConstraint)
        for column in constraint.columns
    }
    left_out = LEFT_OUT.get(name, frozenset()) | STATES.get(name, frozenset())
    return patch_of(schema, left_out | unique)


def path_of(name: str, ids: Mapping[str, str]) -> str:
    """Return the path of a row."""
    return f"{CHANGED[name].path.format(**ids)}/{ids[f'{name}_id']}"


PATCHES = {name: patches_of(name) for name in CHANGED}


@pytest.fixture(scope="module")
def ids(shared_member: Member) -> dict[str, str]:
    return create_all(shared_member)


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


def with_derived(expected: dict[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Add what the server derives: the day and precision of a death follow from its time."""
    if "deceased_at" not in patch:
        return expected
    day = (patch["deceased_at"] or "")[:10]
    derived = {"deceased_on": day or None, "deceased_precision": "instant" if day else None}
    return merge(expected, derived)


def ends_before_it_begins(shown: Mapping[str, Any]) -> bool:
    """Whether a study site would close before it opens."""
    opened, closed = shown.get("opened_on"), shown.get("closed_on")
    return bool(opened and closed and closed < opened)


@pytest.mark.parametrize("name", sorted(PATCHES))
@fuzzed(40)
@given(drawn=st.data())
def test_a_patch_does_what_the_rfc_says(
    shared_member: Member, ids: dict[str, str], name: str, drawn: st.DataObject
) -> None:
    example, path = CHANGED[name], path_of(name, ids)
    if example.body is None:
        created = shared_member.get(path)
    else:
        first = drawn.draw(st.just({}) | PATCHES[name])
        body = example.body(ids, new_word()) | merge({}, first)
        assume(not ends_before_it_begins(body))
        created = shared_member.post(example.path.format(**ids), json=body)
        path = path_of(name, {**ids, f"{name}_id": created.json["id"]})
    assert created.status_code < 300, created.text
    expected = without_missing(created.json)

    for patch in drawn.draw(st.lists(PATCHES[name], min_size=1, max_size=3)):
        merged = with_derived(merge(expected, patch), patch)
        answer = shared_member.patch(path, json=patch, headers={"If-Match": "*"})
        if ends_before_it_begins(merged):
            assert answer.json["errors"] == [
                {"pointer": "/closed_on", "detail": "Must not be before opened_on."}
            ]
            continue
        expected = merged
        assert answer.status_code == 200, answer.text
        assert without_missing(answer.json) == expected
        assert shared_member.get(path).json == answer.json


@pytest.mark.parametrize("name", sorted(PATCHES))
@fuzzed(20)
@given(
    patch=st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.lists(st.integers(), max_size=2)
)
def test_a_patch_that_is_no_object_changes_nothing(
    shared_member: Member, ids: dict[str, str], name: str, patch: Any
) -> None:
    path = path_of(name, ids)
    etag = shared_member.get(path).headers["ETag"]

    answer = shared_member.patch(path, data=json.dumps(patch), headers={"If-Match": "*"})

    assert answer.status_code == 422
    assert shared_member.get(path).headers["ETag"] == etag
