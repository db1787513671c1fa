"""docs/criteria.md and the published JSON Schema say what the code does."""

import json
import re

import jsonschema_rs
import pytest

from tools.criteria_reference import PAGE, SCHEMA, schema_text, with_reference
from trially.recruiting.criteria.language.criteria import (
    dump_criteria,
    dump_expression,
    parse_criteria,
    parse_expression,
)

EXAMPLES = [
    json.loads(block)
    for block in re.findall(r"```json\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
]


def test_the_reference_is_that_of_the_code() -> None:
    page = PAGE.read_text("utf-8")
    assert with_reference(page) == page
    assert SCHEMA.read_text("utf-8") == schema_text()


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_examples_are_read_and_written_back(example: dict[str, object]) -> None:
    document = example
    if "criteria" not in document:
        tree = parse_expression(example)
        assert parse_expression(dump_expression(tree)) == tree
        criterion = {"id": "x", "kind": "inclusion", "expression": example}
        document = {"schema": 1, "criteria": [criterion]}
    criteria = parse_criteria(document)
    assert parse_criteria(dump_criteria(criteria)) == criteria
    schema = jsonschema_rs.Draft202012Validator(json.loads(schema_text()))
    schema.validate(document)
    schema.validate(dump_criteria(criteria))
