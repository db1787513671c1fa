"""The record of a study at its registry, as it was imported last."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, LargeBinary, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.changes import unaudited
from trially.database.classes import Copied, Held, classify, json_of
from trially.database.model import TenantModel
from trially.database.protection import OF_ORGANISATIONS, protect
from trially.database.since import since


class RegistryRecord(TenantModel):
    """What the registry says of a study, without contacts and without results."""

    __tablename__ = "registry_record"

    study_id: Mapped[UUID]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    """SHA-256 of what was imported."""
    body: Mapped[dict[str, Any]]
    """The study in the registry's own JSON."""
    imported: Mapped[dict[str, Any]]
    """The values of the study's fields that the last import read from the record."""
    left_out: Mapped[list[str]]
    """JSON pointers of what was not kept."""
    imported_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        UniqueConstraint("tenant_id", "study_id"),
        ForeignKeyConstraint(
            ["tenant_id", "study_id"], ["study.tenant_id", "study.id"], ondelete="CASCADE"
        ),
        {"info": since("0027") | unaudited("Written with its study, whose changes are recorded.")},
    )


classify(
    RegistryRecord,
    {
        Held.ID: "study_id",
        Held.DIGEST: "digest",
        json_of("emptied"): "body imported",
        json_of("emptied_list"): "left_out",
        Held.MOMENT: "imported_at",
    },
    Copied.UNMASKED,
)
protect(RegistryRecord, {}, OF_ORGANISATIONS)
