"""A PATCH changes objects member by member, at every level (RFC 7396)."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from marshmallow import fields
from members import Member
from platform_rules import is_of_no_tenant

from trially.config.settings import Settings
from trially.http.contract import MERGE_PATCH_TYPE, contract_of
from trially.http.merge_patch import apply_merge_patch

RFC_7396_EXAMPLES: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), RFC_7396_EXAMPLES)
def test_a_patch_gives_the_results_of_the_standard(target: Any, patch: Any, result: Any) -> None:
    assert apply_merge_patch(target, patch) == result


ADDRESSES: list[tuple[Any, Any]] = [
    ({"line": "1 Road", "city": "Bern"}, {"line": "1 Road", "city": "Bern"}),
    ({"line": None, "state": "BE"}, {"city": "Bern", "state": "BE"}),
    ({}, {"city": "Bern", "state": "BE"}),
    (None, None),
    ({"city": "Basel", "line": None}, {"city": "Basel"}),
]
MAPPINGS: list[tuple[Any, Any]] = [
    (
        {"labs": {"decimal": ",", "columns": {"value": "V", "unit": "U"}}},
        {"labs": {"decimal": ",", "columns": {"value": "V", "unit": "U"}}},
    ),
    (
        {"labs": {"columns": {"unit": None, "code": "C"}}, "patients": {"dates": ["DD.MM.YYYY"]}},
        {
            "labs": {"decimal": ",", "columns": {"value": "V", "code": "C"}},
            "patients": {"dates": ["DD.MM.YYYY"]},
        },
    ),
    (
        {"labs": {"decimal": None, "missing": ["k.A."]}, "patients": {"dates": ["DD/MM/YYYY"]}},
        {
            "labs": {"columns": {"value": "V", "code": "C"}, "missing": ["k.A."]},
            "patients": {"dates": ["DD/MM/YYYY"]},
        },
    ),
    ({"labs": None}, {"patients": {"dates": ["DD/MM/YYYY"]}}),
    ({}, {"patients": {"dates": ["DD/MM/YYYY"]}}),
    (None, None),
    ({"labs": {"decimal": None}}, {"labs": {}}),
]
COMPOSED: list[tuple[Any, Any]] = [
    (
        {"exclude": [{"icd10_prefix": ["E11.9"]}]},
        {"include": [{"icd10_prefix": ["E11"]}], "exclude": [{"icd10_prefix": ["E11.9"]}]},
    ),
    ({"exclude": None}, {"include": [{"icd10_prefix": ["E11"]}]}),
    ({}, {"include": [{"icd10_prefix": ["E11"]}]}),
]
CUSTOM: list[tuple[Any, Any]] = [
    ({"ward": "3 B", "beds": 2}, {"ward": "3 B", "beds": 2}),
    ({"beds": None}, {"ward": "3 B"}),
    ({}, {"ward": "3 B"}),
    ({"beds": 0}, {"ward": "3 B", "beds": 0}),
]
PATCHES = {
    ("patients", "address"): ADDRESSES,
    ("patients", "custom"): CUSTOM,
    ("sites", "custom"): CUSTOM,
    ("studies", "custom"): CUSTOM,
    ("sources", "column_mapping"): MAPPINGS,
    ("valuesets", "compose"): COMPOSED,
}
"""By the collection and the field: patches, each with the value after it."""


def find_patched_objects(app: Flask) -> Iterator[tuple[str, str]]:
    """Yield the collection and the name of each object that a PATCH takes."""
    for rule in app.url_map.iter_rules():
        contract = contract_of(app.view_functions[rule.endpoint])
        is_tenants = MERGE_PATCH_TYPE in contract.body_types and not is_of_no_tenant(rule)
        if is_tenants and contract.body is not None:
            for name, field in contract.body.load_fields.items():
                if isinstance(field, fields.Dict | fields.Nested | fields.Raw):
                    yield rule.rule.split("/")[3], name


def test_each_object_that_a_patch_takes_is_tested_here(app: Flask) -> None:
    assert set(find_patched_objects(app)) == set(PATCHES)


@pytest.fixture
def make(shared_member: Member) -> Callable[[str], str]:
    """Create a row of a collection, and return its path. The rows may have custom values."""
    for resource in ("patient", "site", "study"):
        for name, kind in (("ward", "text"), ("beds", "number")):
            field = {"resource": resource, "name": name, "label": name, "type": kind}
            defined = shared_member.post("/custom-fields", json=field)
            assert defined.status_code in {201, 409}, defined.json

    def make(collection: str) -> str:
        bodies = {
            "sites": {"name": f"Merge patch {uuid4()}"},
            "studies": {"protocol_number": f"merge-{uuid4()}", "title": "Merge patch"},
            "patients": {
                "mrn": f"merge-patch-{uuid4()}",
                "given_name": "Ada",
                "family_name": "Byron",
                "birth_date": "1961-07-23",
                "sex": "female",
            },
            "sources": {"name": "merge-patch"},
            "valuesets": {
                "key": "merge-patch",
                "name": "Merge patch",
                "compose": {"include": [{"icd10_prefix": ["E11"]}]},
            },
        }
        made = shared_member.post(f"/{collection}", json=bodies[collection])
        assert made.status_code == 201, made.json
        return f"/{collection}/{made.json['id']}"

    return make


@pytest.mark.parametrize(("collection", "field"), PATCHES)
def test_an_object_is_patched_member_by_member(
    shared_member: Member, make: Callable[[str], str], collection: str, field: str
) -> None:
    path = make(collection)

    for patch, result in PATCHES[collection, field]:
        answer = shared_member.patch(path, json={field: patch})
        assert answer.status_code == 200, answer.json
        assert answer.json[field] == shared_member.get(path).json[field] == result


def test_what_a_patch_results_in_is_checked_whole(member: Member) -> None:
    source = member.post(
        "/sources", json={"name": "kis", "column_mapping": {"labs": {"decimal": ","}}}
    ).json
    path = f"/sources/{source['id']}"
    refused = {
        "/column_mapping/letters": {"letters": {"dates": "DD.MM.YYYY"}},
        "/column_mapping/labs/columns/sex": {"labs": {"columns": {"sex": "S"}}},
        "/column_mapping/labs/decimal": {"labs": {"decimal": {"a": None}}},
    }
    for pointer, patch in refused.items():
        answer = member.patch(path, json={"column_mapping": patch})
        assert answer.status_code == 422, pointer
        assert [error["pointer"] for error in answer.json["errors"]] == [pointer]
    for replaced in ([1], {"labs": "x"}):
        assert member.patch(path, json={"column_mapping": replaced}).status_code == 422
    assert member.get(path).json == source


def test_patches_cannot_grow_an_object_beyond_what_one_body_may_have(member: Member) -> None:
    source = member.post("/sources", json={"name": "kis"}).json
    most = Settings.max_json_items
    path, codes = f"/sources/{source['id']}", iter(range(10 * most))

    def grow(number: int) -> Any:
        values = {str(next(codes)): "female" for _ in range(number)}
        return member.patch(
            path, json={"column_mapping": {"patients": {"values": {"sex": values}}}}
        )

    assert grow(most).status_code == 200
    assert grow(1).status_code == 422
