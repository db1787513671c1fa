"""Imports: what they read, how far they are, and which lines they could not import."""

import datetime as dt
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.changes import names_patients, unaudited
from trially.database.model import TenantModel, Timestamped, Versioned
from trially.recruiting.imports.faults import Concern, FaultCode
from trially.resources.sorting import by, ignoring_case, index_sorts


class ImportState(StrEnum):
    """The state of an import. An interrupted import stays `running`."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"
    """Out of time. If the same input is sent again, the import continues."""

    DELETING = "deleting"
    """Being deleted. If the process died meanwhile, deleting it again continues."""


class Completeness(StrEnum):
    """How far an import is that was declared a full export of its source."""

    READING = "reading"
    """The import has not ended."""
    INCOMPLETE = "incomplete"
    """It failed, or a record could not be read. Nothing is withdrawn."""
    OVERTAKEN = "overtaken"
    """Another import of the source ran meanwhile or afterwards. Nothing is withdrawn."""
    LISTED = "listed"
    """The records that the export lacks are listed. They are withdrawn if somebody confirms it."""
    WITHDRAWN = "withdrawn"
    """The records that the export lacks are withdrawn."""


class ImportJob(Timestamped, Versioned, TenantModel):
    """One import: its counts, and the last line whose effects are committed."""

    __tablename__ = "import_job"

    source: Mapped[str] = mapped_column(String(64))
    fingerprint: Mapped[str] = mapped_column(String(64))
    """Digest of the input. Importing the same input again continues an interrupted import."""
    state: Mapped[ImportState] = mapped_column(String(10), server_default=ImportState.RUNNING)
    strict: Mapped[bool] = mapped_column(server_default=text("false"))
    next_part: Mapped[int] = mapped_column(server_default="0")
    """Position of the file to continue with, from 0."""
    next_line: Mapped[int] = mapped_column(server_default="0")
    """Number of lines of that file that are already committed."""
    counts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    passed_over: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    """Number of ignored resources by type."""
    error_count: Mapped[int] = mapped_column(server_default="0")
    refused_count: Mapped[int] = mapped_column(server_default="0")
    """Number of lines and records that were not imported. Other faults concern single values."""
    error_counts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    """Number of all faults by reason, those without a row in `import_fault` included."""
    error_groups: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    """Number of all faults by code, and within a code by type of resource."""
    lease_until: Mapped[dt.datetime | None]
    """A process is running the import until then, unless it renews the lease or ends."""
    failure: Mapped[str | None] = mapped_column(String(500))
    """The line and reason, or the limit, that ended the import before the end of its input."""
    started_by: Mapped[str | None] = mapped_column(String(255))
    ended_at: Mapped[dt.datetime | None]
    completeness: Mapped[Completeness | None] = mapped_column(String(10))
    """Null if the import was not declared a full export."""
    missing: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    """Number of records that a full export lacks, by type of resource."""

    __table_args__ = (
        Index("ix_import_job_tenant_id_fingerprint", "tenant_id", "fingerprint"),
        Index(
            "ix_import_job_tenant_id_source",
            "tenant_id",
            "source",
            postgresql_where=text("completeness = 'reading' OR completeness = 'listed'"),
        ),
        {"info": unaudited("Its batches are recorded, with what they write.")},
    )


SORTS = index_sorts(
    ImportJob, {"source": ignoring_case(ImportJob.source), "created_at": by(ImportJob.created_at)}
)


class ImportFault(TenantModel):
    """What was not imported, and why. It never quotes the content.

    Of an import with many faults, only the first ones and some of each kind have a row.
    """

    __tablename__ = "import_fault"

    import_id: Mapped[UUID]
    file: Mapped[str] = mapped_column(String(1000))
    line: Mapped[int]
    """The line in NDJSON or the entry in a Bundle, from 1."""
    reason: Mapped[str] = mapped_column(String(500))
    pointer: Mapped[str | None] = mapped_column(String(200))
    """The element of the resource, as a JSON pointer (RFC 6901)."""
    code: Mapped[FaultCode] = mapped_column(String(40), server_default=FaultCode.INVALID_ELEMENT)
    concerns: Mapped[Concern] = mapped_column(String(10), server_default=Concern.RECORD)
    resource_type: Mapped[str | None] = mapped_column(String(64))
    resource_id: Mapped[str | None] = mapped_column(String(64))
    other_id: Mapped[str | None] = mapped_column(String(1200))
    """Type and id of the record that the fault is about too."""
    missing_id: Mapped[str | None] = mapped_column(String(1100))
    """Type and id of what is not there: `Patient/17`."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "import_id"],
            ["import_job.tenant_id", "import_job.id"],
            ondelete="CASCADE",
        ),
        Index("ix_import_fault_tenant_id_import_id", "tenant_id", "import_id", "id"),
        Index(
            "ix_import_fault_tenant_id_import_id_concerns",
            "tenant_id",
            "import_id",
            "concerns",
            "id",
        ),
        {"info": unaudited("Counted in the record of its batch.") | names_patients()},
    )


class ImportedRecord(TenantModel):
    """The key of a record that a full export contains. Kept until the import ends."""

    __tablename__ = "imported_record"

    import_id: Mapped[UUID]
    base_url: Mapped[str] = mapped_column(String(1024), server_default="")
    source_type: Mapped[str] = mapped_column(String(64))
    source_id: Mapped[str] = mapped_column(String(64))
    is_contained: Mapped[bool]
    """Whether it is a part of another record, so that the export may lack others of its type."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "import_id"],
            ["import_job.tenant_id", "import_job.id"],
            ondelete="CASCADE",
        ),
        UniqueConstraint(
            "tenant_id",
            "import_id",
            "base_url",
            "source_type",
            "source_id",
            name="uq_imported_record_key",
        ),
        {"info": unaudited("Kept until the import ends.") | names_patients()},
    )


class MissingRecord(TenantModel):
    """The key of a record that a full export lacks."""

    __tablename__ = "missing_record"

    import_id: Mapped[UUID]
    base_url: Mapped[str] = mapped_column(String(1024), server_default="")
    source_type: Mapped[str] = mapped_column(String(64))
    source_id: Mapped[str] = mapped_column(String(64))

    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "import_id"],
            ["import_job.tenant_id", "import_job.id"],
            ondelete="CASCADE",
        ),
        UniqueConstraint(
            "tenant_id",
            "import_id",
            "source_type",
            "base_url",
            "source_id",
            name="uq_missing_record_key",
        ),
        {"info": unaudited("Follows from what the import read.") | names_patients()},
    )


class WaitingFact(TenantModel):
    """A fact or document that was read before its patient or, until its import ends, its Binary.

    An import that brings the patient writes it.
    """

    __tablename__ = "waiting_fact"

    source: Mapped[str] = mapped_column(String(64))
    base_url: Mapped[str] = mapped_column(String(1024), server_default="")
    source_type: Mapped[str] = mapped_column(String(64))
    source_id: Mapped[str] = mapped_column(String(64))
    patient_key: Mapped[str] = mapped_column(String(1100))
    """The source's id of the patient, or `?` and the identifier that names the patient."""
    version_at: Mapped[dt.datetime | None]
    version_number: Mapped[int | None] = mapped_column(BigInteger)
    import_id: Mapped[UUID]
    """The import that read it last."""
    file: Mapped[str] = mapped_column(String(1000))
    line: Mapped[int]
    resource: Mapped[dict[str, Any]]
    """Type, rows and digest. The FHIR resource is not stored: it holds more data than needed."""
    json_bytes: Mapped[int]
    """Size of the rows, by which the batches that write them are bounded."""
    awaits_binary: Mapped[bool] = mapped_column(server_default=text("false"))
    """A document whose text is in a Binary that its import may still bring."""
    waiting_since: Mapped[dt.datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "import_id"],
            ["import_job.tenant_id", "import_job.id"],
            ondelete="CASCADE",
        ),
        UniqueConstraint(
            "tenant_id",
            "source",
            "base_url",
            "source_type",
            "source_id",
            name="uq_waiting_fact_key",
        ),
        Index("ix_waiting_fact_tenant_id_import_id", "tenant_id", "import_id", "id"),
        Index("ix_waiting_fact_tenant_id_source", "tenant_id", "source", "id"),
        {"info": names_patients()},
    )


class ImportDeferral(TenantModel):
    """A fact that the version before this one deferred. Nothing writes it any more."""

    __tablename__ = "import_deferral"

    import_id: Mapped[UUID]
    file: Mapped[str] = mapped_column(String(1000))
    line: Mapped[int]
    resource: Mapped[dict[str, Any]]
    """Type, rows and digest. The FHIR resource is not stored: it holds more data than needed."""
    json_bytes: Mapped[int] = mapped_column(server_default="0")
    """Size of the rows, by which the batches at the import's end are bounded."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "import_id"],
            ["import_job.tenant_id", "import_job.id"],
            ondelete="CASCADE",
        ),
        Index("ix_import_deferral_tenant_id_import_id", "tenant_id", "import_id", "id"),
        {"info": unaudited("Only deleted, with its import.") | names_patients()},
    )


class ImportBinary(TenantModel):
    """The text of a Binary resource, until the import ends.

    Documents of the same import refer to it by its id. It is not kept, because a Binary itself does
    not say which patient it is about.
    """

    __tablename__ = "import_binary"

    import_id: Mapped[UUID]
    base_url: Mapped[str] = mapped_column(String(1024), server_default="")
    source_id: Mapped[str] = mapped_column(String(64))
    version_at: Mapped[dt.datetime | None]
    version_number: Mapped[int | None] = mapped_column(BigInteger)
    pages: Mapped[list[str]]
    is_paged: Mapped[bool]
    problem: Mapped[str | None] = mapped_column(String(20))
    uses: Mapped[int] = mapped_column(server_default="0")
    """Number of documents that have asked for this text."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "import_id"],
            ["import_job.tenant_id", "import_job.id"],
            ondelete="CASCADE",
        ),
        UniqueConstraint(
            "tenant_id", "import_id", "base_url", "source_id", name="uq_import_binary_key"
        ),
        {"info": unaudited("Kept until the import ends.") | names_patients()},
    )


class Medication(TenantModel):
    """The code of a Medication resource, for records that refer to the resource by its id."""

    __tablename__ = "medication"

    source: Mapped[str] = mapped_column(String(64))
    base_url: Mapped[str] = mapped_column(String(1024), server_default="")
    source_id: Mapped[str] = mapped_column(String(64))
    code_system: Mapped[str | None] = mapped_column(String(255))
    code: Mapped[str | None] = mapped_column(String(128))
    display: Mapped[str | None] = mapped_column(String(1000))
    other_codings: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True))
    content_hash: Mapped[bytes] = mapped_column(LargeBinary)
    version_at: Mapped[dt.datetime | None]
    version_number: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (
        UniqueConstraint("tenant_id", "source", "base_url", "source_id"),
        {"info": unaudited("Says nothing about patients.")},
    )


class RecordDeletion(TenantModel):
    """A record that its source deleted, so that an older version does not bring it back."""

    __tablename__ = "record_deletion"

    source: Mapped[str] = mapped_column(String(64))
    base_url: Mapped[str] = mapped_column(String(1024), server_default="")
    source_type: Mapped[str] = mapped_column(String(64))
    source_id: Mapped[str] = mapped_column(String(64))
    version_at: Mapped[dt.datetime | None]
    version_number: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (
        UniqueConstraint(
            "tenant_id",
            "source",
            "base_url",
            "source_type",
            "source_id",
            name="uq_record_deletion_key",
        ),
        {"info": unaudited("Written with the withdrawal of the record.") | names_patients()},
    )
