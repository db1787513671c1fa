"""Versions of protocols, and their criteria."""

import datetime as dt
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.classes import (
    MARKED_REMOVED,
    REMOVED,
    Held,
    choice,
    classify,
    json_of,
)
from trially.database.model import TenantModel, Timestamped, Versioned
from trially.database.protection import OF_MEMBERS, OF_ORGANISATIONS, protect
from trially.database.since import since


class VersionStatus(StrEnum):
    """How far a version of a protocol is. An active or superseded one never changes."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    ACTIVE = "active"
    SUPERSEDED = "superseded"


class CriterionKind(StrEnum):
    """Whether patients who meet a criterion may take part, or may not."""

    INCLUSION = "inclusion"
    EXCLUSION = "exclusion"


class Evaluation(StrEnum):
    """Whether a machine can evaluate a criterion."""

    NOT_EXPRESSED = "not_expressed"
    """It has no expression yet."""

    EXPRESSED = "expressed"
    UNSUPPORTED = "unsupported"
    """The language of criteria cannot say it."""

    MANUAL = "manual"
    """A person decides it for each patient."""


class ReviewState(StrEnum):
    """Whether a person has accepted a criterion as it is."""

    DRAFTED = "drafted"
    REVIEWED = "reviewed"


class Proposer(StrEnum):
    """Who wrote a criterion."""

    PERSON = "person"
    READER = "reader"
    """A program that reads documents."""


class ProtocolVersion(Timestamped, Versioned, TenantModel):
    """A version of a study's protocol."""

    __tablename__ = "protocol_version"

    study_id: Mapped[UUID]
    number: Mapped[int]
    """From 1, in each study."""
    label: Mapped[str | None] = mapped_column(String(100))
    status: Mapped[VersionStatus] = mapped_column(String(10), server_default=VersionStatus.DRAFT)
    effective_on: Mapped[dt.date | None]
    copied_from: Mapped[int | None]
    """The number of the version that this one was copied from."""
    criteria_hash: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the list of criteria, in hexadecimal."""
    approved_by: Mapped[str | None] = mapped_column(String(255))
    """Subject of the member who activated the version."""
    approved_at: Mapped[dt.datetime | None]

    __table_args__ = (
        UniqueConstraint("tenant_id", "study_id", "number"),
        ForeignKeyConstraint(
            ["tenant_id", "study_id"], ["study.tenant_id", "study.id"], ondelete="CASCADE"
        ),
        Index(
            "uq_protocol_version_active",
            "tenant_id",
            "study_id",
            unique=True,
            postgresql_where=text("status = 'active'"),
        ),
        CheckConstraint(
            "status IN ({})".format(", ".join(f"'{each}'" for each in VersionStatus)),
            name="status",
        ),
        {"info": since("0027")},
    )


class Criterion(TenantModel):
    """A criterion of a version: a statement of the protocol, and what it says to a machine."""

    __tablename__ = "criterion"

    protocol_version_id: Mapped[UUID]
    key: Mapped[UUID]
    """The same in all versions that a criterion is copied to."""
    position: Mapped[int]
    """From 0."""
    kind: Mapped[CriterionKind] = mapped_column(String(10))
    statement: Mapped[str] = mapped_column(Text)
    document_id: Mapped[UUID | None]
    """The document with the statement. No foreign key: a clone does not get documents."""
    place_start: Mapped[int | None]
    """Characters of the document's text before the statement."""
    place_end: Mapped[int | None]
    evaluation: Mapped[Evaluation] = mapped_column(
        String(15), server_default=Evaluation.NOT_EXPRESSED
    )
    expression: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    is_hard: Mapped[bool] = mapped_column(server_default=text("true"))
    """False: the criterion counts for the order of matches only."""
    weight: Mapped[int] = mapped_column(server_default="1")
    review_state: Mapped[ReviewState] = mapped_column(
        String(10), server_default=ReviewState.DRAFTED
    )
    proposed_by: Mapped[Proposer] = mapped_column(String(10), server_default=Proposer.PERSON)
    proposer_name: Mapped[str | None] = mapped_column(String(255))
    """The member's subject, or the reader's name and version."""

    __table_args__ = (
        UniqueConstraint("tenant_id", "protocol_version_id", "position"),
        UniqueConstraint("tenant_id", "protocol_version_id", "key"),
        ForeignKeyConstraint(
            ["tenant_id", "protocol_version_id"],
            ["protocol_version.tenant_id", "protocol_version.id"],
            ondelete="CASCADE",
        ),
        CheckConstraint("(evaluation = 'expressed') = (expression IS NOT NULL)", name="evaluation"),
        CheckConstraint(
            "(document_id IS NULL) = (place_start IS NULL)"
            " AND (place_start IS NULL) = (place_end IS NULL)",
            name="place",
        ),
        {"info": since("0027")},
    )


classify(
    ProtocolVersion,
    {
        Held.ID: "study_id",
        Held.NUMBER: "number copied_from",
        REMOVED: "label approved_by",
        choice(VersionStatus): "status",
        Held.MOMENT: "effective_on approved_at",
        MARKED_REMOVED: "criteria_hash",
    },
)
protect(ProtocolVersion, {OF_MEMBERS: "approved_by"}, OF_ORGANISATIONS)
classify(
    Criterion,
    {
        Held.ID: "protocol_version_id key document_id",
        Held.NUMBER: "position place_start place_end weight",
        choice(CriterionKind): "kind",
        MARKED_REMOVED: "statement",
        choice(Evaluation): "evaluation",
        json_of("criterion"): "expression",
        choice(ReviewState): "review_state",
        choice(Proposer): "proposed_by",
        Held.TECHNICAL: "is_hard",
        REMOVED: "proposer_name",
    },
)
protect(Criterion, {OF_MEMBERS: "proposer_name"}, OF_ORGANISATIONS)
