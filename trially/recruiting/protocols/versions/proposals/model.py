"""Proposals of criteria for drafts of protocols."""

import datetime as dt
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, String, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.classes import (
    MARKED_REMOVED,
    REMOVED,
    Copied,
    Held,
    choice,
    classify,
    json_of,
)
from trially.database.model import TenantModel, Timestamped, Versioned
from trially.database.protection import OF_MEMBERS, OF_ORGANISATIONS, protect
from trially.database.since import since
from trially.recruiting.drafting.reading.readings import Confidence
from trially.recruiting.protocols.versions.model import CriterionKind


class ProposalState(StrEnum):
    """What a person has decided about a proposal."""

    OPEN = "open"
    ACCEPTED = "accepted"
    """It is a criterion of the draft as it was proposed."""

    CORRECTED = "corrected"
    """It is a criterion of the draft, with what a person changed."""

    REJECTED = "rejected"


DECIDED_FOR = frozenset({ProposalState.ACCEPTED, ProposalState.CORRECTED})


class StudyField(StrEnum):
    """A field of a study that proposes a criterion, beside the statements of texts."""

    MINIMUM_AGE = "minimum_age"
    MAXIMUM_AGE = "maximum_age"
    SEX = "sex"


class CriterionProposal(Timestamped, Versioned, TenantModel):
    """A statement of a text, and the criterion that a reader proposes for it, if any."""

    __tablename__ = "criterion_proposal"

    protocol_version_id: Mapped[UUID]
    position: Mapped[int]
    """From 0, in the order in which the draft got its proposals."""
    state: Mapped[ProposalState] = mapped_column(String(10), server_default=ProposalState.OPEN)
    kind: Mapped[CriterionKind] = mapped_column(String(10))
    statement: Mapped[str] = mapped_column(Text)
    document_id: Mapped[UUID | None]
    """The document with the statement. No foreign key: a clone does not get documents."""
    place_start: Mapped[int | None]
    """Characters of the document's text before the statement."""
    place_end: Mapped[int | None]
    study_field: Mapped[StudyField | None] = mapped_column(String(20))
    """The field of the study that the statement is, if it is not in a document."""
    expression: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """The proposed criterion. Null if the reader proposes none."""
    reason: Mapped[str | None] = mapped_column(String(500))
    """Why the reader proposes no criterion."""
    parts: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    """What the reader has read of a statement for which it proposes no criterion."""
    assumptions: Mapped[list[str]] = mapped_column(server_default=text("'[]'::jsonb"))
    """What the criterion takes for granted: sentences."""
    confidence: Mapped[Confidence] = mapped_column(String(10))
    reader: Mapped[str] = mapped_column(String(100))
    reader_version: Mapped[str] = mapped_column(String(100))
    criterion_key: Mapped[UUID | None]
    """The `key` of the criterion that the proposal became."""
    decided_by: Mapped[str | None] = mapped_column(String(255))
    """Subject of the member who accepted or rejected it."""
    decided_at: Mapped[dt.datetime | None]
    decision_reason: Mapped[str | None] = mapped_column(String(500))

    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "protocol_version_id"],
            ["protocol_version.tenant_id", "protocol_version.id"],
            ondelete="CASCADE",
        ),
        Index(
            "ix_criterion_proposal_position",
            "tenant_id",
            "protocol_version_id",
            "position",
            "id",
        ),
        CheckConstraint(
            "(document_id IS NULL) = (place_start IS NULL)"
            " AND (place_start IS NULL) = (place_end IS NULL)"
            " AND (document_id IS NULL OR study_field IS NULL)",
            name="place",
        ),
        CheckConstraint(
            "(state = 'open') = (decided_by IS NULL)"
            " AND (state IN ('accepted', 'corrected')) = (criterion_key IS NOT NULL)",
            name="state",
        ),
        {"info": since("0030")},
    )


classify(
    CriterionProposal,
    {
        Held.ID: "protocol_version_id document_id criterion_key",
        Held.NUMBER: "position place_start place_end",
        choice(ProposalState): "state",
        choice(CriterionKind): "kind",
        choice(StudyField): "study_field",
        choice(Confidence): "confidence",
        MARKED_REMOVED: "statement reader reader_version",
        json_of("criterion"): "expression",
        json_of("emptied_list"): "parts assumptions",
        Held.MOMENT: "decided_at",
        REMOVED: "reason decided_by decision_reason",
    },
    Copied.UNMASKED,
)
protect(CriterionProposal, {OF_MEMBERS: "decided_by decision_reason"}, OF_ORGANISATIONS)
