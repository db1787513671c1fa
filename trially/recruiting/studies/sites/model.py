"""Sites of studies."""

import datetime as dt
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.classes import REMOVED, Held, choice, classify
from trially.database.model import TenantModel, Timestamped, Versioned
from trially.database.protection import OF_ORGANISATIONS, protect
from trially.database.since import since


class StudySiteStatus(StrEnum):
    """Whether a site recruits for a study."""

    PLANNED = "planned"
    OPEN = "open"
    PAUSED = "paused"
    CLOSED = "closed"


class StudySite(Timestamped, Versioned, TenantModel):
    """A site that recruits for a study, or will."""

    __tablename__ = "study_site"

    study_id: Mapped[UUID]
    site_id: Mapped[UUID]
    status: Mapped[StudySiteStatus] = mapped_column(
        String(10), server_default=StudySiteStatus.PLANNED
    )
    target_enrollment: Mapped[int | None]
    investigator: Mapped[str | None] = mapped_column(String(200))
    opened_on: Mapped[dt.date | None]
    closed_on: Mapped[dt.date | None]

    __table_args__ = (
        UniqueConstraint(
            "tenant_id",
            "study_id",
            "site_id",
            info={"pointer": "/site_id", "detail": "The study has this site already."},
        ),
        ForeignKeyConstraint(
            ["tenant_id", "study_id"], ["study.tenant_id", "study.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["tenant_id", "site_id"],
            ["site.tenant_id", "site.id"],
            ondelete="RESTRICT",
            info={"pointer": "/site_id", "detail": "There is no such site."},
        ),
        CheckConstraint("target_enrollment >= 0", name="target_enrollment"),
        CheckConstraint(
            "closed_on >= opened_on",
            name="closed_on",
            info={"pointer": "/closed_on", "detail": "Must not be before opened_on."},
        ),
        Index("ix_study_site_tenant_id_site_id", "tenant_id", "site_id"),
        {"info": since("0027")},
    )


classify(
    StudySite,
    {
        Held.ID: "study_id site_id",
        choice(StudySiteStatus): "status",
        Held.NUMBER: "target_enrollment",
        REMOVED: "investigator",
        Held.MOMENT: "opened_on closed_on",
    },
)
protect(StudySite, {}, OF_ORGANISATIONS)
