"""Studies."""

from enum import StrEnum

from sqlalchemy import CheckConstraint, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.classes import REMOVED, Held, choice, classify, identifier, json_of
from trially.database.model import TenantModel, Timestamped, Versioned
from trially.database.protection import OF_ORGANISATIONS, protect
from trially.resources.sorting import by, ignoring_case, index_sorts


class StudyStatus(StrEnum):
    """A study's overall status, in ClinicalTrials.gov's terms."""

    NOT_YET_RECRUITING = "not_yet_recruiting"
    RECRUITING = "recruiting"
    ENROLLING_BY_INVITATION = "enrolling_by_invitation"
    ACTIVE_NOT_RECRUITING = "active_not_recruiting"
    SUSPENDED = "suspended"
    TERMINATED = "terminated"
    COMPLETED = "completed"
    WITHDRAWN = "withdrawn"


class StudyType(StrEnum):
    """What kind of study it is, in ClinicalTrials.gov's terms."""

    INTERVENTIONAL = "interventional"
    OBSERVATIONAL = "observational"
    EXPANDED_ACCESS = "expanded_access"


class Phase(StrEnum):
    """A phase; a study may be in two."""

    EARLY_PHASE_1 = "early_phase_1"
    PHASE_1 = "phase_1"
    PHASE_2 = "phase_2"
    PHASE_3 = "phase_3"
    PHASE_4 = "phase_4"


class Study(Timestamped, Versioned, TenantModel):
    """A clinical study that the tenant recruits for."""

    __tablename__ = "study"

    protocol_number: Mapped[str] = mapped_column(String(64))
    nct_id: Mapped[str | None] = mapped_column(String(11))
    title: Mapped[str] = mapped_column(String(500))
    sponsor: Mapped[str | None] = mapped_column(String(200))
    phases: Mapped[list[str]] = mapped_column(server_default=text("'[]'::jsonb"))
    study_type: Mapped[StudyType] = mapped_column(
        String(20), server_default=StudyType.INTERVENTIONAL
    )
    status: Mapped[StudyStatus] = mapped_column(
        String(30), server_default=StudyStatus.NOT_YET_RECRUITING
    )
    conditions: Mapped[list[str]] = mapped_column(server_default=text("'[]'::jsonb"))
    target_enrollment: Mapped[int | None]

    __table_args__ = (
        UniqueConstraint(
            "tenant_id",
            "protocol_number",
            info={
                "pointer": "/protocol_number",
                "detail": "There is a study with this protocol number already.",
            },
        ),
        UniqueConstraint(
            "tenant_id",
            "nct_id",
            info={"pointer": "/nct_id", "detail": "There is a study with this NCT id already."},
        ),
        CheckConstraint("target_enrollment >= 0", name="target_enrollment"),
    )


SORTS = index_sorts(
    Study,
    {
        "protocol_number": ignoring_case(Study.protocol_number),
        "title": ignoring_case(Study.title),
        "status": by(Study.status),
        "created_at": by(Study.created_at),
    },
)

classify(
    Study,
    {
        identifier("protocol"): "protocol_number",
        identifier("study"): "title",
        REMOVED: "nct_id sponsor",
        json_of("phases"): "phases",
        json_of("emptied_list"): "conditions",
        choice(StudyType): "study_type",
        choice(StudyStatus): "status",
        Held.NUMBER: "target_enrollment",
    },
)
protect(Study, {}, OF_ORGANISATIONS)
