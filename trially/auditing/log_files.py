"""The audit log as CSV."""

from typing import Any

from trially.auditing.files import csv_writer
from trially.database.rows import Item

COLUMNS = (
    "at",
    "member",
    "role",
    "member_id",
    "operator",
    "action",
    "route",
    "purpose",
    "phi_level",
    "outcome",
    "patient_count",
    "patients",
    "erased_patients",
    "fields_shown",
    "changes",
    "details",
    "request_id",
    "id",
)


def flatten(entry: Item) -> dict[str, Any]:
    """Return a record as the cells of a row."""
    member = entry["member"] or {"id": None, "name": None, "role": None}
    return entry | {
        "member": member["name"],
        "member_id": member["id"],
        "role": member["role"],
        "patients": " ".join(map(str, entry["patients"])),
        "erased_patients": " ".join(map(str, entry["erased_patients"])),
        "fields_shown": " ".join(entry["fields_shown"]),
        "changes": entry["changes"],
    }


write_csv = csv_writer(flatten, COLUMNS)
