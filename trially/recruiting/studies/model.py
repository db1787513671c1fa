"""Studies."""

from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.classes import REMOVED, Held, choice, classify, identifier, json_of
from trially.database.model import TenantModel, Timestamped, Versioned
from trially.database.protection import OF_ORGANISATIONS, protect
from trially.database.since import since
from trially.recruiting.custom_fields.model import readable_values
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
    AVAILABLE = "available"
    NO_LONGER_AVAILABLE = "no_longer_available"
    TEMPORARILY_NOT_AVAILABLE = "temporarily_not_available"
    APPROVED_FOR_MARKETING = "approved_for_marketing"
    WITHHELD = "withheld"
    UNKNOWN = "unknown"


class RecruitingStatus(StrEnum):
    """Whether the tenant recruits for a study now. The registry knows nothing of it."""

    PLANNED = "planned"
    OPEN = "open"
    PAUSED = "paused"
    CLOSED = "closed"


class StudySource(StrEnum):
    """Where a study's data come from."""

    CTGOV = "ctgov"
    MANUAL = "manual"


class StudySex(StrEnum):
    """Who may take part, by sex, in ClinicalTrials.gov's terms."""

    ALL = "all"
    FEMALE = "female"
    MALE = "male"


class StudyType(StrEnum):
    """What kind of study it is, in ClinicalTrials.gov's terms."""

    INTERVENTIONAL = "interventional"
    OBSERVATIONAL = "observational"
    EXPANDED_ACCESS = "expanded_access"
    UNKNOWN = "unknown"


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
    recruiting_status: Mapped[RecruitingStatus] = mapped_column(
        String(10), server_default=RecruitingStatus.PLANNED, info=since("0027")
    )
    source: Mapped[StudySource] = mapped_column(
        String(10), server_default=StudySource.MANUAL, info=since("0027")
    )
    keywords: Mapped[list[str]] = mapped_column(
        server_default=text("'[]'::jsonb"), info=since("0027")
    )
    interventions: Mapped[list[dict[str, Any]]] = mapped_column(
        JSONB, server_default=text("'[]'::jsonb"), info=since("0027")
    )
    """Objects with `type`, in the registry's terms, and `name`."""
    sex: Mapped[StudySex | None] = mapped_column(String(10), info=since("0027"))
    minimum_age: Mapped[str | None] = mapped_column(String(10), info=since("0027"))
    """A duration of ISO 8601 with one unit, as P18Y, P6M, P3W, P10D, PT12H. Null: unbounded."""
    maximum_age: Mapped[str | None] = mapped_column(String(10), info=since("0027"))
    """As `minimum_age`. A patient of exactly this age may take part, as at the registry."""
    healthy_volunteers: Mapped[bool | None] = mapped_column(info=since("0027"))
    custom: Mapped[dict[str, Any]] = readable_values()
    """Values of the tenant's own fields, by name."""

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
        json_of("emptied"): "custom",
        json_of("emptied_list"): "conditions keywords interventions",
        choice(StudyType): "study_type",
        choice(StudyStatus): "status",
        choice(RecruitingStatus): "recruiting_status",
        choice(StudySource): "source",
        choice(StudySex): "sex",
        Held.AGE: "minimum_age maximum_age",
        Held.TECHNICAL: "healthy_volunteers",
        Held.NUMBER: "target_enrollment",
    },
)
protect(Study, {}, OF_ORGANISATIONS)
