"""What people decided about patients and studies, beside the criteria."""

from uuid import UUID

from sqlalchemy import select

from trially.database.rows import fetch_items, of_current_tenant, table_of
from trially.recruiting.study_matching.model import MatchDecision

_decision = table_of(MatchDecision).c


def decisions_of(study_id: UUID, patient_ids: list[UUID]) -> dict[UUID, str]:
    """Return what people decided about some patients of a study."""
    rows = fetch_items(
        select(_decision.patient_id, _decision.decision).where(
            of_current_tenant(MatchDecision),
            _decision.study_id == study_id,
            _decision.patient_id.in_(patient_ids),
        )
    )
    return {row["patient_id"]: row["decision"] for row in rows}


def decisions_about(patient_id: UUID) -> dict[UUID, str]:
    """Return what people decided about a patient, by study."""
    rows = fetch_items(
        select(_decision.study_id, _decision.decision).where(
            of_current_tenant(MatchDecision), _decision.patient_id == patient_id
        )
    )
    return {row["study_id"]: row["decision"] for row in rows}


def decision_id_of(study_id: UUID, patient_id: UUID) -> UUID | None:
    """Return the id of what a person decided about a patient and a study."""
    rows = fetch_items(
        select(_decision.id).where(
            of_current_tenant(MatchDecision),
            _decision.study_id == study_id,
            _decision.patient_id == patient_id,
        )
    )
    return rows[0]["id"] if rows else None
