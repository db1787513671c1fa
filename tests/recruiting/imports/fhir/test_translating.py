"""Each resource gives rows or a reason, whatever it contains."""

import copy
import json
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.recruiting.imports.fhir_examples import (
    CONDITION,
    EXAMPLES,
    concept,
    fault_of,
    reject,
    translate_fact,
)
from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.rows import IgnoredResource, ResourceError, Translated
from trially.recruiting.imports.fhir.translating import translate

NO_ID = "Condition.id is not an id of 1 to 64 letters, digits, hyphens and dots."


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": None}, "Condition.id is missing."),
        *(({"id": wrong}, NO_ID)
          for wrong in ("1" * 65, "", "a b", " a", "a_b", "a\0", "a\nb", "<b>", "é", 1, ["a"])),
        ({"resourceType": "Zaphod"}, "resourceType is not the name of a resource type."),
        ({"resourceType": None}, "resourceType is missing."),
        ({"resourceType": "Jane Doe"}, "resourceType is not the name of a resource type."),
    ],
)  # fmt: skip
def test_a_resource_without_an_id_or_type_is_rejected(changes: dict[str, Any], reason: str) -> None:
    assert reject(CONDITION, **changes).reason == reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"code": {"coding": [{"code": "E11\0.9"}]}},
         "Condition.code.coding.code has control characters."),
        ({"code": {"coding": [{"code": "a"}] * 101}},
         "Condition.code.coding has more than 100 items."),
        ({"code": []}, "Condition.code is not an object."),
        ({"code": {"coding": [{"code": 1}]}}, "Condition.code.coding.code is not a string."),
        ({"code": concept(None, "1" * 129)},
         "Condition.code.coding.code is longer than 128 characters."),
    ],
)  # fmt: skip
def test_a_bad_element_loses_only_itself(changes: dict[str, Any], reason: str) -> None:
    assert fault_of(CONDITION, **changes).reason == reason
    assert translate_fact(CONDITION, **changes)["clinical_status"] == "active"


def test_resources_of_other_types_are_ignored() -> None:
    assert translate({"resourceType": "Claim"}) == IgnoredResource("Claim")


SECRET = "Zaphod Beeblebrox"
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=8)
    | st.sampled_from(
        [
            *("\0", "\ud800", "0000-00-00", "9999-12-31T23:59:60-23:59", "Patient/1", "x" * 300),
            *("entered-in-error", 10**400, -(10**30), 1e308, "2020-02-30", "urn:uuid:", "#", "?"),
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["code", "coding", "system", "value", "reference", "text", "start", "x"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


def attempt(resource: dict[str, Any]) -> Translated | ResourceError:
    reading = Reading()
    try:
        outcome: Translated | ResourceError = translate(resource, reading)
    except ResourceError as error:
        outcome = error
    for fault in (*reading.faults, *([outcome] if isinstance(outcome, ResourceError) else [])):
        assert fault.pointer.startswith("/")
        assert len(fault.reason) < 250
        assert SECRET not in fault.reason + fault.pointer
    return outcome


def find_places(value: Any) -> list[tuple[Any, Any]]:
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    places = [(value, key) for key in keys]
    for key in keys:
        if isinstance(value[key], dict | list):
            places += find_places(value[key])
    return places


@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(EXAMPLES), st.lists(st.tuples(st.integers(0, 10**6), JSON), max_size=3))
def test_a_resource_with_any_content_gives_rows_or_a_resource_error(
    example: dict[str, Any], changes: list[tuple[int, Any]]
) -> None:
    resource = copy.deepcopy(example)
    for place, value in changes:
        places = find_places(resource)
        holder, key = places[place % len(places)]
        holder[key] = value

    outcome = attempt(resource)

    if not isinstance(outcome, IgnoredResource | ResourceError):
        written = orjson.dumps(outcome)
        assert b"\\u0000" not in written
        assert json.loads(written) == json.loads(json.dumps(outcome, allow_nan=False))


def test_reasons_do_not_quote_the_content() -> None:
    for example in EXAMPLES:
        for position in range(len(find_places(example))):
            resource = copy.deepcopy(example)
            holder, key = find_places(resource)[position]
            holder[key] = SECRET
            attempt(resource)
