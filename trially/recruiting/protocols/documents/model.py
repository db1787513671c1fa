"""Documents of studies. Their files and their text are encrypted with the tenant's data key."""

from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.changes import unaudited
from trially.database.classes import REMOVED, Copied, Held, choice, classify
from trially.database.model import TenantModel, Timestamped, Versioned
from trially.database.protection import OF_ORGANISATIONS, SEALED_ALREADY, protect
from trially.database.since import since
from trially.recruiting.documents.extracting.problems import TextProblem


class StudyDocumentKind(StrEnum):
    """What a document of a study is."""

    PROTOCOL = "protocol"
    AMENDMENT = "amendment"
    ELIGIBILITY = "eligibility"
    """The eligibility text of a registry."""

    OTHER = "other"


class StudyDocument(Timestamped, Versioned, TenantModel):
    """A document of a study. It never changes: a changed file is another document."""

    __tablename__ = "study_document"

    study_id: Mapped[UUID]
    kind: Mapped[StudyDocumentKind] = mapped_column(String(20))
    title: Mapped[str] = mapped_column(String(200))
    media_type: Mapped[str] = mapped_column(String(100))
    file_size: Mapped[int]
    """Bytes of the file."""
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    """SHA-256 of the file, keyed with the tenant's data key."""
    page_count: Mapped[int] = mapped_column(server_default="0")
    character_count: Mapped[int] = mapped_column(server_default="0")
    has_page_numbers: Mapped[bool] = mapped_column(server_default=text("false"))
    """The pages are those of the file. Other texts are cut into pages of about equal length."""
    text_problem: Mapped[TextProblem | None] = mapped_column(String(20))
    key_version: Mapped[int]
    """The version of the tenant's data key that encrypts the file and its text."""

    __table_args__ = (
        UniqueConstraint(
            "tenant_id",
            "study_id",
            "digest",
            info={"pointer": "", "detail": "The study has this document already."},
        ),
        ForeignKeyConstraint(
            ["tenant_id", "study_id"], ["study.tenant_id", "study.id"], ondelete="CASCADE"
        ),
        {"info": since("0027")},
    )


class StudyDocumentPage(TenantModel):
    """The text of one page of a study's document, encrypted."""

    __tablename__ = "study_document_page"

    document_id: Mapped[UUID]
    number: Mapped[int]
    """From 1."""
    start: Mapped[int]
    """Characters of the document's text before the page."""
    sealed: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (
        UniqueConstraint("tenant_id", "document_id", "number"),
        ForeignKeyConstraint(
            ["tenant_id", "document_id"],
            ["study_document.tenant_id", "study_document.id"],
            ondelete="CASCADE",
        ),
        {"info": since("0027") | unaudited("Written with its document.")},
    )


class StudyDocumentPart(TenantModel):
    """A part of the file of a study's document, encrypted."""

    __tablename__ = "study_document_part"

    document_id: Mapped[UUID]
    number: Mapped[int]
    """From 0."""
    sealed: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (
        UniqueConstraint("tenant_id", "document_id", "number"),
        ForeignKeyConstraint(
            ["tenant_id", "document_id"],
            ["study_document.tenant_id", "study_document.id"],
            ondelete="CASCADE",
        ),
        {"info": since("0027") | unaudited("Written with its document.")},
    )


classify(
    StudyDocument,
    {
        Held.ID: "study_id",
        choice(StudyDocumentKind): "kind",
        REMOVED: "title media_type",
        Held.NUMBER: "file_size page_count character_count key_version",
        Held.DIGEST: "digest",
        Held.TECHNICAL: "has_page_numbers",
        choice(TextProblem): "text_problem",
    },
    Copied.NEVER,
)
protect(StudyDocument, {SEALED_ALREADY: "digest"}, OF_ORGANISATIONS)
for _sealed, _numbers in ((StudyDocumentPage, "number start"), (StudyDocumentPart, "number")):
    classify(
        _sealed,
        {Held.ID: "document_id", Held.NUMBER: _numbers, Held.SECRET: "sealed"},
        Copied.NEVER,
    )
    protect(_sealed, {SEALED_ALREADY: "sealed"})
