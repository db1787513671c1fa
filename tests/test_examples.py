"""Every resource has an example, and every example is one that the API accepts."""

from typing import Any

import pytest
from examples import CHANGED, EXAMPLES, MISSING, create_all

from trially.resources.resource import RESOURCES


def test_every_resource_has_an_example() -> None:
    for resource in RESOURCES:
        assert resource.name in EXAMPLES, MISSING.format(name=resource.name)
    assert {resource.name for resource in RESOURCES} == set(EXAMPLES)


@pytest.mark.parametrize("name", [name for name in EXAMPLES if EXAMPLES[name].can_be_created])
def test_an_example_can_be_created_read_and_changed(shared_member: Any, name: str) -> None:
    example, ids = EXAMPLES[name], create_all(shared_member)
    path = f"{example.path}/{ids[f'{name}_id']}"

    assert shared_member.get(path).status_code == 200
    assert ids[f"{name}_id"] in shared_member.get(f"{example.path}?limit=200").text
    if name in CHANGED:
        changed = shared_member.patch(path, json=example.change)
        assert changed.status_code == 200, changed.text
        assert example.change.items() <= changed.json.items()
