"""Leave out the parts of a resource that a modifier extension may turn into their opposite."""

from typing import Any

from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.values import Json

PARTS = frozenset(
    {
        *("communication", "component", "contact", "diagnosis", "dispenseRequest", "dosage"),
        *("dosageInstruction", "evidence", "hospitalization", "ingredient", "link", "location"),
        *("protocolApplied", "reaction", "referenceRange", "stage"),
    }
)
"""Elements with elements of their own, which may have modifier extensions."""

_NAME = "modifierExtension"
_PROBLEM = "has a modifier extension, which may change what it means"


def without_modified_parts(resource: Json, reading: Reading) -> Json:
    """Return a resource without such parts. Each is a fault."""
    kept: Json = {}
    for element in PARTS & resource.keys():
        value = resource[element]
        items = value if type(value) is list else [value]
        usable = [item for item in items if not _is_modified(item)]
        if len(usable) < len(items):
            reading.lose(f"{resource['resourceType']}.{element}", _PROBLEM)
            kept[element] = usable
    return {**resource, **kept} if kept else resource


def _is_modified(item: Any) -> bool:
    """Return whether a part, or a part of it, has a modifier extension."""
    if type(item) is not dict:
        return False
    if item.get(_NAME):
        return True
    return any(
        type(part) is dict and bool(part.get(_NAME))
        for value in item.values()
        if type(value) is list
        for part in value
    )
