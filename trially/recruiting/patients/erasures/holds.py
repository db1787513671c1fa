"""Legal holds of patients."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select

from trially.database.rows import (
    Item,
    delete_item,
    fetch_items,
    insert_item,
    of_current_tenant,
    table_of,
)
from trially.http.codes import Code
from trially.http.problems import Conflict
from trially.recruiting.patients.erasures.model import PatientHold

SHOWN = ("id", "patient_id", "reason", "placed_by", "placed_at")

hold = table_of(PatientHold).c


def find_hold(patient_id: UUID) -> Item | None:
    """Return the hold of a patient, or None."""
    found = fetch_items(
        select(*(hold[name] for name in SHOWN)).where(
            of_current_tenant(PatientHold), hold.patient_id == patient_id
        )
    )
    return found[0] if found else None


def place_hold(patient_id: UUID, reason: str, by: str) -> Item:
    """Place a hold on a patient, and return it. The patient has none yet."""
    values = {"patient_id": patient_id, "reason": reason, "placed_by": by}
    return insert_item(PatientHold, values, SHOWN)


def lift_hold(patient_id: UUID) -> bool:
    """Release the hold of a patient, and return whether there was one."""
    found = find_hold(patient_id)
    return found is not None and delete_item(PatientHold, found["id"])


def refuse_held(patient_ids: Collection[UUID]) -> None:
    """Answer 409 if one of some patients is under a legal hold."""
    if held_among(patient_ids):
        raise Conflict(
            "The patient is under a legal hold, so nothing of the patient may be deleted. Release"
            " the hold first.",
            code=Code.LEGAL_HOLD,
        )


def held_among(patient_ids: Collection[UUID]) -> set[UUID]:
    """Return those of some patients who are under a legal hold."""
    rows = fetch_items(
        select(hold.patient_id).where(
            of_current_tenant(PatientHold), hold.patient_id.in_(patient_ids)
        )
    )
    return {row["patient_id"] for row in rows}
