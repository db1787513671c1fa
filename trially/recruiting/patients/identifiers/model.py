"""The identifiers of patients."""

from uuid import UUID

from sqlalchemy import (
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    String,
)
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.changes import unaudited
from trially.database.classes import (
    REMOVED,
    Held,
    classify,
    identifier,
    one_of,
)
from trially.database.model import TenantModel
from trially.database.protection import (
    SEALED,
    SOURCES,
    UNSEALED_PERIODS,
    protect,
)
from trially.database.sealed_types import SealedText
from trially.recruiting.patients.model import RECORD_NUMBERS


class PatientIdentifier(TenantModel):
    """One identifier of a patient, as its source sends it."""

    __tablename__ = "patient_identifier"

    patient_id: Mapped[UUID]
    system: Mapped[str | None] = mapped_column(String(255))
    value: Mapped[str] = mapped_column(SealedText(255, RECORD_NUMBERS))
    type: Mapped[str | None] = mapped_column(String(128))
    """Code of HL7's table 0203, such as MR."""
    use: Mapped[str | None] = mapped_column(String(20))
    period_start: Mapped[str | None] = mapped_column(String(48))
    period_end: Mapped[str | None] = mapped_column(String(48))
    assigner: Mapped[str | None] = mapped_column(String(200))
    mrn_rank: Mapped[int | None] = mapped_column(SmallInteger)
    """How likely it is the medical record number: 0 is the best. Null if it is another number."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "patient_id"], ["patient.tenant_id", "patient.id"], ondelete="CASCADE"
        ),
        Index("ix_patient_identifier_tenant_id_patient_id", "tenant_id", "patient_id"),
        Index("ix_patient_identifier_tenant_id_value", "tenant_id", "value"),
        {"info": unaudited("Written with its patient.")},
    )


classify(
    PatientIdentifier,
    {
        Held.ID: "patient_id",
        identifier("system"): "system",
        identifier("number"): "value",
        one_of("identifier type"): "type",
        one_of("use"): "use",
        REMOVED: "period_start period_end assigner",
        Held.NUMBER: "mrn_rank",
    },
)
protect(
    PatientIdentifier,
    {
        SOURCES: "system assigner",
        SEALED: "value",
        UNSEALED_PERIODS: "period_start period_end",
    },
)
