"""Patients."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.classes import (
    REMOVED,
    Held,
    choice,
    classify,
    date,
    identifier,
    json_of,
    one_of,
)
from trially.database.model import TenantModel, Timestamped, Versioned
from trially.database.protection import (
    CLINICAL_DATE,
    DIGESTS,
    FOLLOWS,
    OF_MEMBERS,
    RECORD_IDS,
    SEALED,
    SOURCES,
    VERSIONS,
    ZONES,
    protect,
)
from trially.database.sealed_types import SealedBytes, SealedDate, SealedJson, SealedText
from trially.database.since import since
from trially.recruiting.patients.choices import (
    ContactPreference,
    PatientDateProblem,
    RecordStatus,
    Sex,
    WithdrawalReason,
)
from trially.recruiting.patients.corrected_values import SealedCorrections
from trially.recruiting.sources.model import MANUAL_SOURCE
from trially.resources.sorting import by, ignoring_case, index_sorts

AUDIT_KEY_BYTES = 32
BIRTH_DATES = "patient.birth_date"

RECORD_NUMBERS = "patient.number"
"""The context of MRNs and of other identifiers: SQL chooses an MRN among the identifiers."""

ADDRESS_WIDTHS = {"line": 1000, "city": 200, "state": 200, "postal_code": 200, "country": 200}
"""Most characters of each text of `Patient.address`, which is JSON and has no column per part.

Its numbers are those of `MOST_DEGREES`: either both are there or neither is.
"""


class Patient(Timestamped, Versioned, TenantModel):
    """A patient as one source describes them."""

    __tablename__ = "patient"

    site_id: Mapped[UUID | None]
    source: Mapped[str] = mapped_column(String(64), server_default=MANUAL_SOURCE)
    base_url: Mapped[str] = mapped_column(String(1024), server_default="")
    """Base URL of the server that assigned the id, if it is not the source's own."""
    source_id: Mapped[str] = mapped_column(String(64))
    """Id of the Patient resource at the source; a patient entered by hand has their own id."""
    mrn: Mapped[str] = mapped_column(SealedText(128, RECORD_NUMBERS))
    mrn_system: Mapped[str | None] = mapped_column(String(255))
    """The identifier system of the MRN, null if its source names none."""
    given_name: Mapped[str | None] = mapped_column(SealedText(200, "patient.given_name"))
    family_name: Mapped[str | None] = mapped_column(SealedText(200, "patient.family_name"))
    birth_date: Mapped[dt.date | None] = mapped_column(
        SealedDate(BIRTH_DATES, beside="birth_date_sealed")
    )
    birth_date_sealed: Mapped[str | None] = mapped_column(Text, info=since("0024"))
    """The birth date, if the tenant encrypts fields; `birth_date` is null then."""
    birth_date_precision: Mapped[str | None] = mapped_column(String(5))
    """`year` or `month` where the rest of the date is not known, else `day`."""
    sex: Mapped[Sex | None] = mapped_column(String(10))
    gender_identity: Mapped[str | None] = mapped_column(String(200))
    race: Mapped[str | None] = mapped_column(String(200))
    ethnicity: Mapped[str | None] = mapped_column(String(200))
    language: Mapped[str | None] = mapped_column(String(64))
    phone: Mapped[str | None] = mapped_column(SealedText(64, "patient.phone"))
    email: Mapped[str | None] = mapped_column(SealedText(320, "patient.email"))
    address: Mapped[dict[str, Any] | None] = mapped_column(SealedJson("patient.address"))
    deceased: Mapped[bool] = mapped_column(server_default=text("false"))
    deceased_at: Mapped[dt.datetime | None]
    deceased_on: Mapped[dt.date | None]
    """The local day of death, where the source is."""
    deceased_precision: Mapped[str | None] = mapped_column(String(7))
    deceased_zone: Mapped[str | None] = mapped_column(String(64))
    """The zone in which the time of death was read, if its source gives no offset."""
    date_problem: Mapped[str | None] = mapped_column(String(20))
    """A `PatientDateProblem`."""
    impossible_dates: Mapped[dict[str, Any] | None] = mapped_column(
        SealedJson("patient.impossible_dates")
    )
    """Dates that the source gives and that cannot be right, by column. They are not used."""
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    contact_preference: Mapped[ContactPreference] = mapped_column(
        String(12), server_default=ContactPreference.OK
    )
    last_encounter_on: Mapped[dt.date | None]
    clinical_version: Mapped[int] = mapped_column(BigInteger, server_default="1")
    """Grows whenever something clinical about the patient changes."""
    content_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Digest of what the source last sent; importing the same again changes nothing."""
    version_at: Mapped[dt.datetime | None]
    """When the source last changed the record: `meta.lastUpdated`."""
    version_number: Mapped[int | None] = mapped_column(BigInteger)
    """The source's number of the version: `meta.versionId`, if it is a number."""
    withdrawn_at: Mapped[dt.datetime | None]
    withdrawn_reason: Mapped[WithdrawalReason | None] = mapped_column(String(20))
    replaced_by_id: Mapped[UUID | None]
    """The record that replaces this one, because both are about one person."""
    merged_by: Mapped[str | None] = mapped_column(String(255))
    """The member who merged the record; null if its source says that it is replaced."""
    link_base_url: Mapped[str | None] = mapped_column(String(1024))
    link_source_id: Mapped[str | None] = mapped_column(String(64))
    """The record at the source that replaces this one; it may not be imported yet."""
    replaces: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True))
    """Base URL and id of each record that this one replaces, as its source says."""
    corrections: Mapped[dict[str, Any]] = mapped_column(
        SealedCorrections(), server_default=text("'{}'::jsonb")
    )
    """By field that a member corrected: what the source says (`imported`), `by` and `at`."""
    custom: Mapped[dict[str, Any]] = mapped_column(
        SealedJson("patient.custom"), server_default=text("'{}'::jsonb"), info=since("0039")
    )
    """Values of the tenant's own fields, by name. Imports of other columns leave them alone."""
    audit_number: Mapped[int] = mapped_column(BigInteger, Identity())
    """Stands for the patient in audit records. It is used nowhere else, so that a record of a
    deleted patient no longer says who it was."""
    audit_key: Mapped[bytes] = mapped_column(
        SealedBytes(AUDIT_KEY_BYTES, "patient.audit_key"),
        server_default=text("(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))"),
        deferred=True,
    )
    """Encrypts the patient's old and new values in audit records. It is deleted with the row."""
    record_status: Mapped[RecordStatus] = mapped_column(
        String(10),
        # As PostgreSQL writes the expression, so that the two can be compared.
        Computed(
            "CASE WHEN withdrawn_at IS NOT NULL THEN 'withdrawn'::text"
            " WHEN replaced_by_id IS NOT NULL THEN 'replaced'::text"
            " WHEN NOT active THEN 'inactive'::text ELSE 'current'::text END",
            persisted=True,
        ),
    )
    mrn_scope: Mapped[str | None] = mapped_column(
        String(255),
        Computed(
            "CASE WHEN withdrawn_at IS NULL AND replaced_by_id IS NULL AND active"
            " THEN coalesce(mrn_system, ''::character varying)"
            " ELSE NULL::character varying END",
            persisted=True,
        ),
    )
    """Within which the MRN is unique. Null for records that are not current."""

    __table_args__ = (
        UniqueConstraint("tenant_id", "source", "base_url", "source_id"),
        UniqueConstraint("tenant_id", "audit_number"),
        UniqueConstraint(
            "tenant_id",
            "source",
            "mrn_scope",
            "mrn",
            # Checked after each statement, so that one statement may exchange MRNs.
            deferrable=True,
            initially="IMMEDIATE",
            info={"pointer": "/mrn", "detail": "There is a patient with this MRN already."},
        ),
        ForeignKeyConstraint(
            ["tenant_id", "site_id"],
            ["site.tenant_id", "site.id"],
            ondelete="RESTRICT",
            info={"pointer": "/site_id", "detail": "There is no such site."},
        ),
        CheckConstraint(
            "birth_date_precision IN ('year', 'month', 'day')", name="birth_date_precision"
        ),
        ForeignKeyConstraint(
            ["tenant_id", "replaced_by_id"],
            ["patient.tenant_id", "patient.id"],
            name="fk_patient_replaced_by_id",
            ondelete="SET NULL (replaced_by_id)",
        ),
        Index("ix_patient_tenant_id_site_id", "tenant_id", "site_id"),
        Index(
            "ix_patient_tenant_id_replaced_by_id",
            "tenant_id",
            "replaced_by_id",
            postgresql_where=text("replaced_by_id IS NOT NULL"),
        ),
        Index(
            "ix_patient_link",
            "tenant_id",
            "source",
            "link_base_url",
            "link_source_id",
            postgresql_where=text("link_source_id IS NOT NULL"),
        ),
        Index(
            "ix_patient_replaces",
            "tenant_id",
            "source",
            postgresql_where=text("replaces IS NOT NULL"),
        ),
    )


SORTS = index_sorts(
    Patient,
    {
        "name": ignoring_case(Patient.family_name, Patient.given_name),
        "birth_date": by(Patient.birth_date),
        "mrn": by(Patient.mrn),
        "last_encounter_on": by(Patient.last_encounter_on),
        "created_at": by(Patient.created_at),
    },
)


def references_patient() -> ForeignKeyConstraint:
    """Return the foreign key of rows about a patient, which are deleted with the patient."""
    return ForeignKeyConstraint(
        ["tenant_id", "patient_id"],
        ["patient.tenant_id", "patient.id"],
        ondelete="CASCADE",
        info={"pointer": "/patient_id", "detail": "There is no such patient."},
    )


classify(
    Patient,
    {
        Held.ID: "site_id replaced_by_id",
        identifier("source"): "source",
        identifier("url"): "base_url link_base_url",
        identifier("record"): "source_id link_source_id",
        identifier("number"): "mrn",
        identifier("system"): "mrn_system",
        identifier("given_name"): "given_name",
        identifier("family_name"): "family_name",
        identifier("phone"): "phone",
        identifier("email"): "email",
        date("birth_date_precision"): "birth_date",
        date("deceased_precision"): "deceased_at",
        date(): "deceased_on last_encounter_on",
        one_of("gender identity"): "gender_identity",
        one_of("race"): "race",
        one_of("ethnicity"): "ethnicity",
        one_of("language"): "language",
        json_of("address"): "address",
        json_of("record_keys"): "replaces",
        json_of("emptied"): "corrections custom",
        choice(("year", "month", "day", "instant")): "birth_date_precision deceased_precision",
        choice(PatientDateProblem): "date_problem",
        choice(Sex): "sex",
        choice(ContactPreference): "contact_preference",
        choice(WithdrawalReason): "withdrawn_reason",
        Held.TECHNICAL: "deceased active",
        Held.NUMBER: "clinical_version",
        Held.MOMENT: "withdrawn_at",
        REMOVED: "deceased_zone impossible_dates merged_by version_at version_number",
        Held.DIGEST: "content_hash",
        Held.GIVEN: "audit_number",
        Held.SECRET: "audit_key",
        Held.DERIVED: "record_status mrn_scope birth_date_sealed",
    },
)
protect(
    Patient,
    {
        SEALED: (
            "mrn given_name family_name birth_date birth_date_sealed phone email address"
            " impossible_dates corrections custom audit_key"
        ),
        RECORD_IDS: "source_id link_source_id replaces",
        DIGESTS: "content_hash",
        SOURCES: "source base_url mrn_system link_base_url",
        CLINICAL_DATE: "deceased_at deceased_on last_encounter_on",
        VERSIONS: "version_at version_number",
        OF_MEMBERS: "merged_by",
        FOLLOWS: "record_status mrn_scope",
        ZONES: "deceased_zone",
    },
)
