"""The faults of imports."""

from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.changes import names_patients, unaudited
from trially.database.classes import REMOVED, Copied, Held, classify, identifier
from trially.database.model import TenantModel
from trially.database.protection import POSITIONS, RECORD_IDS, SEALED_REFERENCE, WORK, protect
from trially.database.sealed_types import SealedText
from trially.recruiting.imports.faults import Concern, FaultCode


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
    missing_id: Mapped[str | None] = mapped_column(
        SealedText(1100, "import_fault.missing_id", only_with="?")
    )
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


classify(
    ImportFault,
    {
        Held.ID: "import_id",
        Held.NUMBER: "line",
        Held.TECHNICAL: "code concerns resource_type",
        identifier("record"): "resource_id other_id missing_id",
        REMOVED: "file reason pointer",
    },
    Copied.UNMASKED,
)
protect(
    ImportFault,
    {
        POSITIONS: "pointer",
        WORK: "file reason",
        RECORD_IDS: "resource_id other_id",
        SEALED_REFERENCE: "missing_id",
    },
)
