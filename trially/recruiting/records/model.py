"""Clinical records of patients: all types are in one table."""

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    Numeric,
    SmallInteger,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.changes import unaudited
from trially.database.classes import (
    MARKED_REMOVED,
    REMOVED,
    Held,
    choice,
    classify,
    code,
    date,
    identifier,
    json_of,
    one_of,
)
from trially.database.model import TenantModel, Timestamped
from trially.database.protection import (
    CLINICAL,
    CLINICAL_DATE,
    DIGESTS,
    RECORD_IDS,
    SOURCES,
    VERSIONS,
    ZONES,
    protect,
)
from trially.recruiting.patients.choices import WithdrawalReason
from trially.recruiting.records.choices import (
    SOURCE_TYPES,
    Comparator,
    DatePrecision,
    DateProblem,
    RecordType,
)


class ClinicalFact(Timestamped, TenantModel):
    """One coded, dated fact about a patient, from one FHIR resource or a component of one."""

    __tablename__ = "clinical_fact"

    patient_id: Mapped[UUID]
    type: Mapped[RecordType] = mapped_column(String(12))
    code_system: Mapped[str | None] = mapped_column(String(255))
    code: Mapped[str | None] = mapped_column(String(128))
    display: Mapped[str | None] = mapped_column(String(1000))
    other_codings: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB)
    """Further codings of the same concept: objects with `system`, `code` and `display`."""
    category: Mapped[str | None] = mapped_column(String(128))
    status: Mapped[str | None] = mapped_column(String(128))
    clinical_status: Mapped[str | None] = mapped_column(String(128))
    verification_status: Mapped[str | None] = mapped_column(String(128))
    criticality: Mapped[str | None] = mapped_column(String(128))
    negated: Mapped[bool] = mapped_column(server_default=text("false"))
    """True if the record says that something was not done, taken or given."""
    intent: Mapped[str | None] = mapped_column(String(128))
    """Of a request: `proposal`, `plan`, `order` and so on. A proposal is not a prescription."""
    focus: Mapped[str | None] = mapped_column(String(1000))
    """Who or what an observation is about, if not the patient: a child, a donor, a device."""
    start_at: Mapped[dt.datetime | None]
    """Null if it is unknown."""
    start_precision: Mapped[str | None] = mapped_column(String(7))
    """Precision of the date in the source: `year`, `month`, `day` or `instant`."""
    start_offset: Mapped[int | None] = mapped_column(SmallInteger)
    """Offset from UTC in minutes, of a start that is an instant. It gives the local day."""
    start_age: Mapped[str | None] = mapped_column(String(16))
    """The patient's age at the start, as an ISO 8601 duration, from which the start follows."""
    end_at: Mapped[dt.datetime | None]
    end_precision: Mapped[str | None] = mapped_column(String(7))
    end_offset: Mapped[int | None] = mapped_column(SmallInteger)
    end_age: Mapped[str | None] = mapped_column(String(16))
    date_problem: Mapped[str | None] = mapped_column(String(20))
    """A `DateProblem`: the dates must not be used."""
    recorded_at: Mapped[dt.datetime | None]
    recorded_offset: Mapped[int | None] = mapped_column(SmallInteger)
    zone: Mapped[str | None] = mapped_column(String(64))
    """The zone in which its times without an offset were read, by its IANA name."""
    zoned_times: Mapped[str | None] = mapped_column(String(20))
    """Which times these are: `start`, `end` and `recorded`, with blanks between them."""
    value_number: Mapped[Decimal | None] = mapped_column(Numeric)
    value_code_system: Mapped[str | None] = mapped_column(String(255))
    value_code: Mapped[str | None] = mapped_column(String(128))
    value_text: Mapped[str | None] = mapped_column(String(4000))
    unit: Mapped[str | None] = mapped_column(String(128))
    comparator: Mapped[str | None] = mapped_column(String(2))
    reference_low: Mapped[Decimal | None] = mapped_column(Numeric)
    reference_high: Mapped[Decimal | None] = mapped_column(Numeric)
    """Ends of the normal range, in the unit of the value."""
    reference_text: Mapped[str | None] = mapped_column(String(1000))
    interpretation: Mapped[str | None] = mapped_column(String(128))
    """`H`, `L`, `N` and so on."""
    details: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """Elements that have no column: `imports/fhir/details.py`."""
    parent_code: Mapped[str | None] = mapped_column(String(128))
    """For a component: the code of its observation."""
    recorded_patient_id: Mapped[UUID | None]
    """The patient that the record came with, if that patient was replaced by `patient_id`."""
    source: Mapped[str] = mapped_column(String(64))
    base_url: Mapped[str] = mapped_column(String(1024), server_default="")
    """Base URL of the server that assigned the id, if it is not the source's own."""
    source_type: Mapped[str] = mapped_column(String(40))
    source_id: Mapped[str] = mapped_column(String(64))
    component: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    """0 for the resource itself; 1, 2, … for its components."""
    encounter_source_id: Mapped[str | None] = mapped_column(String(64))
    medication_source_id: Mapped[str | None] = mapped_column(String(64))
    """Id at the source of the Medication resource that names the medication of this fact."""
    entered_in_error: Mapped[bool] = mapped_column(server_default=text("false"))
    """True if the source marks the record as entered in error. It is stored and never counted."""
    content_hash: Mapped[bytes] = mapped_column(LargeBinary)
    version_at: Mapped[dt.datetime | None]
    """When the source last changed the record: `meta.lastUpdated`."""
    version_number: Mapped[int | None] = mapped_column(BigInteger)
    """The source's number of the version: `meta.versionId`, if it is a number."""
    withdrawn_at: Mapped[dt.datetime | None]
    withdrawn_reason: Mapped[WithdrawalReason | None] = mapped_column(String(20))

    __table_args__ = (
        UniqueConstraint(
            "tenant_id",
            "source",
            "base_url",
            "source_type",
            "source_id",
            "component",
            name="uq_clinical_fact_resource",
        ),
        ForeignKeyConstraint(
            ["tenant_id", "patient_id"], ["patient.tenant_id", "patient.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["tenant_id", "recorded_patient_id"],
            ["patient.tenant_id", "patient.id"],
            name="fk_clinical_fact_recorded_patient_id",
            ondelete="CASCADE",
        ),
        Index(
            "ix_clinical_fact_tenant_id_recorded_patient_id",
            "tenant_id",
            "recorded_patient_id",
            postgresql_where=text("recorded_patient_id IS NOT NULL"),
        ),
        CheckConstraint(
            "type IN ({})".format(", ".join(f"'{kind}'" for kind in RecordType)), name="type"
        ),
        Index(
            "ix_clinical_fact_tenant_id_patient_id_start_at", "tenant_id", "patient_id", "start_at"
        ),
        # Both have the code with the collation C, and the conditions and columns of the
        # migration 0026, for matching.
        Index(
            "ix_clinical_fact_measured",
            "tenant_id",
            "code",
            "patient_id",
            text("start_at DESC"),
            postgresql_where=text("type = 'observation'"),
        ),
        Index(
            "ix_clinical_fact_coded",
            "tenant_id",
            "type",
            "code",
            "patient_id",
            postgresql_where=text("type <> 'observation'"),
        ),
        # After the tenant it has an expression, `LAST_AT`: see the migration 0041.
        Index(
            "ix_clinical_fact_visited",
            "tenant_id",
            postgresql_where=text("type = 'encounter'"),
            info={"written_by_hand": True},
        ),
        Index(
            "ix_clinical_fact_tenant_id_medication_source_id",
            "tenant_id",
            "medication_source_id",
            postgresql_where=text("medication_source_id IS NOT NULL"),
        ),
        Index(
            "ix_clinical_fact_zone",
            "tenant_id",
            "source",
            "zone",
            postgresql_where=text("zone IS NOT NULL"),
        ),
        Index(
            "ix_clinical_fact_ages",
            "tenant_id",
            "patient_id",
            postgresql_where=text("start_age IS NOT NULL OR end_age IS NOT NULL"),
        ),
    )


class RecordCoding(TenantModel):
    """A further coding of a record, so that records are found by each of their codes.

    The first coding is in `clinical_fact`. An index on the array of codings would not do: under
    row-level security PostgreSQL uses an index only for leakproof operators, such as `=` of text.
    """

    __tablename__ = "record_coding"

    record_id: Mapped[UUID]
    system: Mapped[str | None] = mapped_column(String(255))
    code: Mapped[str] = mapped_column(String(128))

    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "record_id"],
            ["clinical_fact.tenant_id", "clinical_fact.id"],
            ondelete="CASCADE",
        ),
        Index("ix_record_coding_tenant_id_record_id", "tenant_id", "record_id", "code"),
        # The index has the code with the collation C, which a comparison with a model cannot see.
        Index(
            "ix_record_coding_code", "tenant_id", "code", "record_id", postgresql_include=["system"]
        ),
        {"info": unaudited("Written with its record.")},
    )


classify(
    ClinicalFact,
    {
        Held.ID: "patient_id recorded_patient_id",
        choice(RecordType): "type",
        choice(DatePrecision): "start_precision end_precision",
        choice(DateProblem): "date_problem",
        choice(Comparator): "comparator",
        choice(SOURCE_TYPES): "source_type",
        choice(WithdrawalReason): "withdrawn_reason",
        Held.TECHNICAL: "negated entered_in_error",
        one_of("code system"): "code_system value_code_system",
        code("code_system"): "code",
        code("value_code_system"): "value_code",
        code(): "parent_code",
        json_of("codings"): "other_codings",
        one_of("category"): "category",
        one_of("status"): "status",
        one_of("clinical status"): "clinical_status",
        one_of("verification status"): "verification_status",
        one_of("criticality"): "criticality",
        one_of("intent"): "intent",
        one_of("unit"): "unit",
        one_of("interpretation"): "interpretation",
        MARKED_REMOVED: "focus",
        REMOVED: "display value_text reference_text details zone zoned_times version_at"
        " version_number",
        date("start_precision"): "start_at",
        date("end_precision"): "end_at",
        date(): "recorded_at",
        Held.AGE: "start_age end_age",
        Held.NUMBER: "start_offset end_offset recorded_offset value_number reference_low"
        " reference_high component",
        Held.MOMENT: "withdrawn_at",
        identifier("source"): "source",
        identifier("url"): "base_url",
        identifier("record"): "source_id encounter_source_id medication_source_id",
        Held.DIGEST: "content_hash",
    },
)
protect(
    ClinicalFact,
    {
        SOURCES: "source base_url",
        ZONES: "zone zoned_times",
        RECORD_IDS: "source_id encounter_source_id medication_source_id",
        DIGESTS: "content_hash",
        CLINICAL: "display other_codings focus value_text reference_text details",
        CLINICAL_DATE: "start_at end_at recorded_at",
        VERSIONS: "version_at version_number",
    },
)
classify(
    RecordCoding,
    {Held.ID: "record_id", one_of("code system"): "system", code("system"): "code"},
)
