"""Validate FHIR resources by `fhir.resources`."""

from importlib import import_module
from typing import Any

import orjson

from trially.exports.fhir.writing import as_line


def validate(resource: dict[str, Any]) -> dict[str, Any]:
    """Return a resource as JSON. Raises a ValidationError of pydantic unless it is valid.

    `fhir.resources` has R4B, whose resources that are used here are those of R4.
    """
    line = as_line(resource)
    kind = resource["resourceType"]
    module = import_module(f"fhir.resources.R4B.{kind.lower()}")
    getattr(module, kind).model_validate_json(line)
    written: dict[str, Any] = orjson.loads(line)
    return written
