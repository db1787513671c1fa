"""Matches, the runs that compute them, and what people decide beside them."""

import datetime as dt
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    String,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.changes import unaudited
from trially.database.classes import REMOVED, Copied, Held, choice, classify
from trially.database.model import TenantModel, Timestamped
from trially.database.protection import CLINICAL, OF_MEMBERS, WORK, protect
from trially.database.since import since
from trially.recruiting.criteria.evaluation.verdicts import Verdict
from trially.recruiting.patients.model import references_patient

REVISION = "0028"
"""The migration that creates these tables."""


class Trigger(StrEnum):
    """Why a run was made."""

    ACTIVATION = "activation"
    """A version of the protocol was activated."""
    CHANGES = "changes"
    """Patients, their records or the study's sites have changed."""
    NEW_DAY = "new_day"
    """Ages and windows depend on the day."""
    REQUEST = "request"
    """A person asked for it."""


class RunState(StrEnum):
    """How far a run is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Decision(StrEnum):
    """What a person decided about a patient and a study, whatever the criteria say."""

    INCLUDED = "included"
    EXCLUDED = "excluded"


class Match(TenantModel):
    """What the active version of a study's protocol says of one patient.

    It is written again when the result changes, and only then. Patients whom more than a few
    criteria rule out have no row.
    """

    __tablename__ = "match"

    study_id: Mapped[UUID]
    protocol_version_id: Mapped[UUID]
    patient_id: Mapped[UUID]
    verdict: Mapped[Verdict] = mapped_column(String(10))
    met: Mapped[int] = mapped_column(BigInteger)
    """One bit for each criterion by its position: it is met. For exclusions this rules out."""
    not_met: Mapped[int] = mapped_column(BigInteger)
    unknowns: Mapped[int] = mapped_column(SmallInteger)
    """How many criteria are not decided."""
    rank: Mapped[int] = mapped_column(BigInteger)
    """The order of the study's matches, best first."""
    score: Mapped[int] = mapped_column(SmallInteger)
    """Weight of the inclusions that are met, in percent of all."""
    changed_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        UniqueConstraint("tenant_id", "study_id", "patient_id"),
        ForeignKeyConstraint(
            ["tenant_id", "study_id"], ["study.tenant_id", "study.id"], ondelete="CASCADE"
        ),
        references_patient(),
        Index("ix_match_rank", "tenant_id", "study_id", "rank", "id"),
        Index("ix_match_tenant_id_patient_id", "tenant_id", "patient_id"),
        {"info": unaudited("It follows from patients and criteria.") | since(REVISION)},
    )


class MatchRun(TenantModel):
    """One computation of a study's matches."""

    __tablename__ = "match_run"

    study_id: Mapped[UUID]
    protocol_version_id: Mapped[UUID]
    as_of: Mapped[dt.date] = mapped_column(Date)
    """The day for which ages and windows were computed, in the tenant's time zone."""
    trigger: Mapped[Trigger] = mapped_column(String(12))
    state: Mapped[RunState] = mapped_column(String(10), server_default=RunState.RUNNING)
    counts: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """Patients by verdict, and how many matches were added, changed and removed."""
    change_number: Mapped[int | None] = mapped_column(BigInteger)
    """All changes of patients up to this number are in the matches."""
    started_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[dt.datetime | None]
    error: Mapped[str | None] = mapped_column(String(500))

    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "study_id"], ["study.tenant_id", "study.id"], ondelete="CASCADE"
        ),
        Index("ix_match_run_tenant_id_study_id", "tenant_id", "study_id", "started_at"),
        {"info": unaudited("It only counts.") | since(REVISION)},
    )


class MatchDecision(Timestamped, TenantModel):
    """A patient whom a person includes in a study's list, or leaves out of it."""

    __tablename__ = "match_decision"

    study_id: Mapped[UUID]
    patient_id: Mapped[UUID]
    decision: Mapped[Decision] = mapped_column(String(10))
    reason: Mapped[str] = mapped_column(String(500))
    decided_by: Mapped[str] = mapped_column(String(255))
    """Subject of the member."""

    __table_args__ = (
        UniqueConstraint("tenant_id", "study_id", "patient_id"),
        ForeignKeyConstraint(
            ["tenant_id", "study_id"], ["study.tenant_id", "study.id"], ondelete="CASCADE"
        ),
        references_patient(),
        Index("ix_match_decision_tenant_id_patient_id", "tenant_id", "patient_id"),
        CheckConstraint("decision IN ('included', 'excluded')", name="decision"),
        {"info": since(REVISION)},
    )


classify(
    Match,
    {
        Held.ID: "study_id protocol_version_id patient_id",
        choice(Verdict): "verdict",
        Held.NUMBER: "met not_met unknowns rank score",
        Held.MOMENT: "changed_at",
    },
    Copied.NEVER,
)
classify(
    MatchRun,
    {
        Held.ID: "study_id protocol_version_id",
        choice(Trigger): "trigger",
        choice(RunState): "state",
        Held.MOMENT: "as_of started_at ended_at",
        Held.NUMBER: "change_number",
        REMOVED: "counts error",
    },
    Copied.NEVER,
)
classify(
    MatchDecision,
    {
        Held.ID: "study_id patient_id",
        choice(Decision): "decision",
        REMOVED: "reason decided_by",
    },
    Copied.NEVER,
)
protect(MatchRun, {WORK: "counts error"})
protect(MatchDecision, {CLINICAL: "reason", OF_MEMBERS: "decided_by"})
