"""Documents about patients, and the pages of their text."""

import datetime as dt
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.changes import unaudited
from trially.database.classes import (
    REMOVED,
    Copied,
    Held,
    choice,
    classify,
    code,
    date,
    identifier,
    json_of,
    one_of,
)
from trially.database.model import TenantModel, Timestamped, Versioned
from trially.database.protection import (
    CLINICAL,
    CLINICAL_DATE,
    DIGESTS,
    FULL_TEXT,
    RECORD_IDS,
    SOURCES,
    VERSIONS,
    ZONES,
    protect,
)
from trially.recruiting.patients.choices import WithdrawalReason
from trially.recruiting.patients.model import references_patient


class DocumentSource(StrEnum):
    """The FHIR resource that a document comes from."""

    DOCUMENT_REFERENCE = "DocumentReference"
    DIAGNOSTIC_REPORT = "DiagnosticReport"
    COMPOSITION = "Composition"


DOCUMENT_TYPES = frozenset(kind.value for kind in DocumentSource)


class Document(Timestamped, Versioned, TenantModel):
    """One document or note about a patient. Its text is in `DocumentPage`."""

    __tablename__ = "document"

    patient_id: Mapped[UUID]
    recorded_patient_id: Mapped[UUID | None]
    """The record that the document came with, if another one replaces it now."""
    type_system: Mapped[str | None] = mapped_column(String(255))
    type_code: Mapped[str | None] = mapped_column(String(128))
    type_display: Mapped[str | None] = mapped_column(String(1000))
    other_codings: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB)
    """Further codings of the type: objects with `system`, `code` and `display`."""
    category: Mapped[str | None] = mapped_column(String(128))
    title: Mapped[str | None] = mapped_column(String(1000))
    author: Mapped[str | None] = mapped_column(String(1000))
    at: Mapped[dt.datetime | None]
    """When the document was written, or the examination took place. Null if it is not known."""
    at_precision: Mapped[str | None] = mapped_column(String(7))
    """Precision of the date in the source: `year`, `month`, `day` or `instant`."""
    at_offset: Mapped[int | None] = mapped_column(SmallInteger)
    """UTC offset that the source wrote, in minutes."""
    dated_on: Mapped[dt.date | None]
    """The day of `at` in the source's own time."""
    zone: Mapped[str | None] = mapped_column(String(64))
    """The zone in which a time without an offset was read, by its IANA name."""
    date_problem: Mapped[str | None] = mapped_column(String(20))
    """A `DateProblem`: the date must not be used."""
    status: Mapped[str | None] = mapped_column(String(128))
    document_status: Mapped[str | None] = mapped_column(String(128))
    """Status of the document itself, where `status` is that of the reference to it."""
    encounter_source_id: Mapped[str | None] = mapped_column(String(64))
    page_count: Mapped[int] = mapped_column(server_default="0")
    character_count: Mapped[int] = mapped_column(server_default="0")
    has_page_numbers: Mapped[bool] = mapped_column(server_default=text("false"))
    """The pages are those of a PDF. Other texts are cut into pages of about equal length."""
    text_problem: Mapped[str | None] = mapped_column(String(20))
    """Why the text is missing or not complete: a value of `TextProblem`."""
    search: Mapped[str | None] = mapped_column(TSVECTOR)
    """Title, type and text as words, folded by `words.fold`."""
    source: Mapped[str] = mapped_column(String(64))
    base_url: Mapped[str] = mapped_column(String(1024), server_default="")
    source_type: Mapped[DocumentSource] = mapped_column(String(40))
    source_id: Mapped[str] = mapped_column(String(64))
    entered_in_error: Mapped[bool] = mapped_column(server_default=text("false"))
    """True if the source marks the document as entered in error. It is stored and not listed."""
    version_at: Mapped[dt.datetime | None]
    """`meta.lastUpdated` of the resource."""
    version_number: Mapped[int | None] = mapped_column(BigInteger)
    """`meta.versionId` of the resource, if it is a number."""
    withdrawn_at: Mapped[dt.datetime | None]
    """The source has withdrawn the document since then. It is not listed."""
    withdrawn_reason: Mapped[WithdrawalReason | None] = mapped_column(String(20))
    content_hash: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (
        UniqueConstraint(
            "tenant_id", "source", "base_url", "source_type", "source_id", name="uq_document_key"
        ),
        references_patient(),
        ForeignKeyConstraint(
            ["tenant_id", "recorded_patient_id"],
            ["patient.tenant_id", "patient.id"],
            name="fk_document_recorded_patient_id",
            ondelete="CASCADE",
        ),
        Index(
            "ix_document_tenant_id_recorded_patient_id",
            "tenant_id",
            "recorded_patient_id",
            postgresql_where=text("recorded_patient_id IS NOT NULL"),
        ),
        Index(
            "ix_document_zone",
            "tenant_id",
            "source",
            "zone",
            postgresql_where=text("zone IS NOT NULL"),
        ),
        CheckConstraint(
            "source_type IN ({})".format(", ".join(f"'{kind}'" for kind in DocumentSource)),
            name="source_type",
        ),
        Index("ix_document_tenant_id_patient_id_at", "tenant_id", "patient_id", "at"),
    )


class DocumentPage(TenantModel):
    """The text of one page of a document."""

    __tablename__ = "document_page"

    document_id: Mapped[UUID]
    number: Mapped[int]
    """From 1."""
    content: Mapped[str] = mapped_column(Text)
    search: Mapped[str] = mapped_column(TSVECTOR)
    """The text as words with their positions."""

    __table_args__ = (
        UniqueConstraint("tenant_id", "document_id", "number"),
        ForeignKeyConstraint(
            ["tenant_id", "document_id"],
            ["document.tenant_id", "document.id"],
            ondelete="CASCADE",
        ),
        {"info": unaudited("Written with its document.")},
    )


classify(
    Document,
    {
        Held.ID: "patient_id recorded_patient_id",
        one_of("code system"): "type_system",
        code("type_system"): "type_code",
        json_of("codings"): "other_codings",
        one_of("category"): "category",
        one_of("status"): "status document_status",
        REMOVED: "type_display title author zone version_at version_number text_problem",
        date("at_precision"): "at",
        date(): "dated_on",
        Held.NUMBER: "at_offset",
        choice(("year", "month", "day", "instant")): "at_precision",
        choice(("in_future", "too_early", "before_birth", "after_death")): "date_problem",
        choice(DocumentSource): "source_type",
        choice(WithdrawalReason): "withdrawn_reason",
        Held.TECHNICAL: "entered_in_error",
        Held.MOMENT: "withdrawn_at",
        Held.GIVEN: "page_count character_count has_page_numbers",
        Held.DERIVED: "search",
        identifier("source"): "source",
        identifier("url"): "base_url",
        identifier("record"): "source_id encounter_source_id",
        Held.DIGEST: "content_hash",
    },
)
protect(
    Document,
    {
        SOURCES: "source base_url",
        ZONES: "zone",
        RECORD_IDS: "source_id encounter_source_id",
        DIGESTS: "content_hash",
        CLINICAL: "type_display other_codings text_problem",
        CLINICAL_DATE: "at dated_on",
        FULL_TEXT: "title author search",
        VERSIONS: "version_at version_number",
    },
)
classify(
    DocumentPage,
    {Held.ID: "document_id", Held.NUMBER: "number", REMOVED: "content", Held.DERIVED: "search"},
    Copied.UNMASKED,
)
protect(
    DocumentPage,
    {
        FULL_TEXT: "content search",
    },
)
