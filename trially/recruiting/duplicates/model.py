"""Possible duplicates: pairs of patients, why they may be one person, and what was decided."""

from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.classes import Copied, Held, classify
from trially.database.model import TenantModel, Timestamped, Versioned
from trially.database.protection import RULES, protect


class DuplicateState(StrEnum):
    """What was decided about a pair."""

    OPEN = "open"
    """Nobody has decided."""

    DISMISSED = "dismissed"
    """A user said that these are two persons. The pair is not proposed again."""


def _patient(column: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["tenant_id", column], ["patient.tenant_id", "patient.id"], ondelete="CASCADE"
    )


class PossibleDuplicate(Timestamped, Versioned, TenantModel):
    """A pair of patients that may be the same person. `patient_id` is the smaller id.

    The constraint also admits a pair of a patient with itself, which `flask tenants prove` writes
    and undoes.
    """

    __tablename__ = "possible_duplicate"

    patient_id: Mapped[UUID]
    other_patient_id: Mapped[UUID]
    score: Mapped[int] = mapped_column(SmallInteger)
    """How much speaks for one person, from 0 to 100."""
    reasons: Mapped[list[str]]
    """What the patients have in common, such as `same_name` and `similar_birth_date`."""
    state: Mapped[DuplicateState] = mapped_column(String(10), server_default=DuplicateState.OPEN)

    __table_args__ = (
        UniqueConstraint("tenant_id", "patient_id", "other_patient_id"),
        CheckConstraint("patient_id <= other_patient_id", name="order"),
        _patient("patient_id"),
        _patient("other_patient_id"),
        Index("ix_possible_duplicate_tenant_id_other", "tenant_id", "other_patient_id"),
        Index("ix_possible_duplicate_state", "tenant_id", "state", "score", "id"),
    )


classify(
    PossibleDuplicate,
    {
        Held.ID: "patient_id other_patient_id",
        Held.NUMBER: "score",
        Held.DERIVED: "reasons",
        Held.TECHNICAL: "state",
    },
    Copied.UNMASKED,
)
protect(
    PossibleDuplicate,
    {
        RULES: "reasons",
    },
)
