"""Changed rows of an audit record, as people read them."""

from typing import Any

from trially.audit.changes import open_values
from trially.auditing.people import People
from trially.database.rows import Item


def describe_change(change: Item, people: People) -> Item:
    """Return a changed row. Values about a patient are shown if `people` has the patient's key."""
    number = change.get("subject")
    values = _values_of(change, people)
    row_id = change.get("id") if values is None else values.pop("id", change.get("id"))
    return {
        "table": change["table"],
        "row_id": row_id,
        "patient_id": people.ids.get(number) if number is not None else None,
        "columns": change.get("columns") or sorted(change.get("values", {})),
        "values": values,
    }


def _values_of(change: Item, people: People) -> dict[str, Any] | None:
    """Return the old and new values by column; None if they are not shown, or were erased."""
    if "values" in change:
        return dict(change["values"])
    key = people.keys.get(change.get("subject", 0))
    if key is None or "sealed" not in change:
        return None
    return open_values(change["sealed"], key)
