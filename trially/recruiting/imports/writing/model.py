"""What imports store beside records: texts of Binaries, codes of Medications, deletions."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, LargeBinary, String, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.changes import names_patients, unaudited
from trially.database.classes import (
    REMOVED,
    Copied,
    Held,
    classify,
    code,
    identifier,
    json_of,
    one_of,
)
from trially.database.model import TenantModel
from trially.database.protection import FULL_TEXT, RECORD_IDS, SOURCES, VERSIONS, protect


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


classify(
    ImportBinary,
    {
        Held.ID: "import_id",
        identifier("url"): "base_url",
        identifier("record"): "source_id",
        REMOVED: "version_at version_number pages",
        Held.TECHNICAL: "is_paged problem",
        Held.NUMBER: "uses",
    },
    Copied.UNMASKED,
)
protect(
    ImportBinary,
    {
        SOURCES: "base_url",
        RECORD_IDS: "source_id",
        VERSIONS: "version_at version_number",
        FULL_TEXT: "pages",
    },
)
classify(
    Medication,
    {
        identifier("source"): "source",
        identifier("url"): "base_url",
        identifier("record"): "source_id",
        one_of("code system"): "code_system",
        code("code_system"): "code",
        json_of("codings"): "other_codings",
        REMOVED: "display version_at version_number",
        Held.DIGEST: "content_hash",
    },
)
protect(Medication, {}, SOURCES)
classify(
    RecordDeletion,
    {
        identifier("source"): "source",
        identifier("url"): "base_url",
        identifier("record"): "source_id",
        Held.TECHNICAL: "source_type",
        REMOVED: "version_at version_number",
    },
    Copied.UNMASKED,
)
protect(
    RecordDeletion,
    {
        SOURCES: "source base_url",
        RECORD_IDS: "source_id",
        VERSIONS: "version_at version_number",
    },
)
