"""The JSON Schema (draft 2020-12) of criteria, made from the definition of the language.

It describes what `parse_criteria` accepts, except for rules between fields, which it cannot say.
"""

from typing import Any

from trially.recruiting.criteria.language.criteria import CRITERIA
from trially.recruiting.criteria.language.nodes import KINDS, MOST_DEPTH, MOST_NODES, When
from trially.recruiting.criteria.language.objects import Object
from trially.recruiting.criteria.language.parts import Source

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def criteria_schema() -> dict[str, Any]:
    """Return the JSON Schema of the criteria of a study."""
    kinds = {name: shape.schema() for name, shape in KINDS.items() if name != When.kind}
    return {
        "$schema": DIALECT,
        "title": "Eligibility criteria",
        **CRITERIA.schema(),
        "$defs": {
            **kinds,
            "source": Object(Source).schema(),
            "node": {
                "description": f"A criterion. Trees are at most {MOST_DEPTH} deep and have at"
                f" most {MOST_NODES} nodes.",
                "oneOf": [*(_node(name) for name in kinds), _when()],
            },
        },
    }


def _node(name: str) -> dict[str, Any]:
    members = {name: {"$ref": f"#/$defs/{name}"}, "source": {"$ref": "#/$defs/source"}}
    return {
        "type": "object",
        "properties": members,
        "required": [name],
        "additionalProperties": False,
    }


def _when() -> dict[str, Any]:
    described = KINDS[When.kind].schema()
    described["properties"]["source"] = {"$ref": "#/$defs/source"}
    return described
