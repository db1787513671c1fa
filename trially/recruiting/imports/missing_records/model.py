"""The keys of the records that a full export contains, and of those that it lacks."""

from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.changes import names_patients, unaudited
from trially.database.classes import Copied, Held, classify, identifier
from trially.database.model import TenantModel
from trially.database.protection import RECORD_IDS, SOURCES, protect


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


classify(
    ImportedRecord,
    {
        Held.ID: "import_id",
        identifier("url"): "base_url",
        identifier("record"): "source_id",
        Held.TECHNICAL: "source_type is_contained",
    },
    Copied.UNMASKED,
)
protect(
    ImportedRecord,
    {
        SOURCES: "base_url",
        RECORD_IDS: "source_id",
    },
)
classify(
    MissingRecord,
    {
        Held.ID: "import_id",
        identifier("url"): "base_url",
        identifier("record"): "source_id",
        Held.TECHNICAL: "source_type",
    },
    Copied.UNMASKED,
)
protect(
    MissingRecord,
    {
        SOURCES: "base_url",
        RECORD_IDS: "source_id",
    },
)
