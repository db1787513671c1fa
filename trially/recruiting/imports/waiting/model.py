"""Facts that wait for their patient."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, String, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.changes import names_patients, unaudited
from trially.database.classes import REMOVED, Copied, Held, classify, identifier
from trially.database.model import TenantModel
from trially.database.protection import (
    RECORD_IDS,
    SEALED,
    SEALED_REFERENCE,
    SOURCES,
    UNUSED,
    VERSIONS,
    WORK,
    protect,
)
from trially.database.sealed_types import SealedJson, SealedText


class WaitingFact(TenantModel):
    """A fact or document that was read before its patient or, until its import ends, its Binary.

    An import that brings the patient writes it.
    """

    __tablename__ = "waiting_fact"

    source: Mapped[str] = mapped_column(String(64))
    base_url: Mapped[str] = mapped_column(String(1024), server_default="")
    source_type: Mapped[str] = mapped_column(String(64))
    source_id: Mapped[str] = mapped_column(String(64))
    patient_key: Mapped[str] = mapped_column(
        SealedText(1100, "waiting_fact.patient_key", only_with="?")
    )
    """The source's id of the patient, or `?` and the identifier that names the patient."""
    version_at: Mapped[dt.datetime | None]
    version_number: Mapped[int | None] = mapped_column(BigInteger)
    import_id: Mapped[UUID]
    """The import that read it last."""
    file: Mapped[str] = mapped_column(String(1000))
    line: Mapped[int]
    resource: Mapped[dict[str, Any]] = mapped_column(SealedJson("waiting_fact.resource"))
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


classify(
    WaitingFact,
    {
        Held.ID: "import_id",
        identifier("source"): "source",
        identifier("url"): "base_url",
        identifier("record"): "source_id patient_key",
        Held.TECHNICAL: "source_type awaits_binary",
        Held.NUMBER: "line json_bytes",
        Held.MOMENT: "waiting_since",
        REMOVED: "version_at version_number file resource",
    },
    Copied.UNMASKED,
)
protect(
    WaitingFact,
    {
        SOURCES: "source base_url",
        RECORD_IDS: "source_id",
        SEALED_REFERENCE: "patient_key",
        VERSIONS: "version_at version_number",
        WORK: "file",
        SEALED: "resource",
    },
)
classify(
    ImportDeferral,
    {Held.ID: "import_id", Held.NUMBER: "line json_bytes", REMOVED: "file resource"},
    Copied.UNMASKED,
)
protect(
    ImportDeferral,
    {
        WORK: "file",
        UNUSED: "resource",
    },
)
