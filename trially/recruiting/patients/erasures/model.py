"""Tables of legal holds, of erased records of patients, and of tombstones of erased persons."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, String, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.classes import REMOVED, Copied, Held, classify, identifier
from trially.database.model import TenantModel
from trially.database.protection import DIGESTS, OF_MEMBERS, SEALED, SOURCES, protect
from trially.database.sealed_types import SealedText
from trially.database.since import since


class PatientHold(TenantModel):
    """A legal hold: the patient may not be deleted or erased while the row is there."""

    __tablename__ = "patient_hold"

    patient_id: Mapped[UUID]
    reason: Mapped[str] = mapped_column(SealedText(500, "patient_hold.reason"))
    placed_by: Mapped[str] = mapped_column(String(255))
    placed_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        UniqueConstraint("tenant_id", "patient_id"),
        ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patient.tenant_id", "patient.id"],
            # The last wall: no statement deletes a patient under a hold.
            ondelete="RESTRICT",
        ),
        {"info": since("0023")},
    )


class PersonErasure(TenantModel):
    """The tombstone of an erased person. It says nothing about the person but when and why."""

    __tablename__ = "person_erasure"

    patient_id: Mapped[UUID]
    """The id that the patient had. It identifies nobody once the rows are gone."""
    site_id: Mapped[UUID | None]
    """The site of the patient, whose members may see the tombstone."""
    reason: Mapped[str] = mapped_column(String(40))
    """An `ErasureReason`."""
    erased_by: Mapped[str] = mapped_column(String(255))
    erased_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    pseudonyms: Mapped[list[str]]
    """By which the audit log names the person's records."""
    certificate: Mapped[dict[str, Any]] = mapped_column(JSONB)

    __table_args__ = (
        Index("ix_person_erasure_tenant_id_patient_id", "tenant_id", "patient_id"),
        {"info": since("0023")},
    )


class ErasedPatient(TenantModel):
    """A patient that a member erased, so that no import brings the person back.

    Only a digest of the record's key is stored, with a salt of its source.
    """

    __tablename__ = "erased_patient"

    source: Mapped[str] = mapped_column(String(64))
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    erased_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    erased_by: Mapped[str | None] = mapped_column(String(255))

    __table_args__ = (UniqueConstraint("tenant_id", "source", "digest"),)


classify(
    PatientHold,
    {
        Held.ID: "patient_id",
        REMOVED: "reason",
        identifier("member"): "placed_by",
        Held.MOMENT: "placed_at",
    },
    Copied.UNMASKED,
)
protect(
    PatientHold,
    {
        SEALED: "reason",
        OF_MEMBERS: "placed_by",
    },
)
classify(
    PersonErasure,
    {
        Held.ID: "patient_id site_id",
        Held.TECHNICAL: "reason",
        identifier("member"): "erased_by",
        Held.MOMENT: "erased_at",
        REMOVED: "pseudonyms certificate",
    },
    Copied.NEVER,
)
protect(PersonErasure, {}, OF_MEMBERS)
classify(
    ErasedPatient,
    {
        identifier("source"): "source",
        Held.DIGEST: "digest",
        Held.MOMENT: "erased_at",
        REMOVED: "erased_by",
    },
    Copied.UNMASKED,
)
protect(
    ErasedPatient,
    {
        SOURCES: "source",
        DIGESTS: "digest",
        OF_MEMBERS: "erased_by",
    },
)
