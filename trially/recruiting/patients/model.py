"""Patients."""

import datetime as dt
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.model import TenantModel, Timestamped, Versioned
from trially.resources.sorting import by, ignoring_case, index_sorts

MANUAL_SOURCE = "manual"
"""Source of patients entered through the API; imported ones carry the name of their source."""

ADDRESS_WIDTHS = {"line": 1000, "city": 200, "state": 200, "postal_code": 200, "country": 200}
"""Most characters of each part of `Patient.address`, which is JSON and has no column per part."""


class Sex(StrEnum):
    """FHIR's administrative gender."""

    FEMALE = "female"
    MALE = "male"
    OTHER = "other"
    UNKNOWN = "unknown"


class ContactPreference(StrEnum):
    """Whether and how a patient may be contacted."""

    OK = "ok"
    NO_SMS = "no_sms"
    NO_CONTACT = "no_contact"


class BirthDatePrecision(StrEnum):
    """The part of a birth date that is known. The rest of the date is January, or the first."""

    YEAR = "year"
    MONTH = "month"
    DAY = "day"


class DeathPrecision(StrEnum):
    """The part of a date of death that its source knows."""

    YEAR = "year"
    MONTH = "month"
    DAY = "day"
    INSTANT = "instant"


class PatientDateProblem(StrEnum):
    """Why a date of birth or death cannot be right. The date is in `impossible_dates` only."""

    BIRTH_IN_FUTURE = "birth_in_future"
    BIRTH_TOO_EARLY = "birth_too_early"
    DEATH_IN_FUTURE = "death_in_future"
    DEATH_TOO_EARLY = "death_too_early"
    DEATH_BEFORE_BIRTH = "death_before_birth"


class Patient(Timestamped, Versioned, TenantModel):
    """A patient as one source describes them."""

    __tablename__ = "patient"

    site_id: Mapped[UUID | None]
    source: Mapped[str] = mapped_column(String(64), server_default=MANUAL_SOURCE)
    source_id: Mapped[str] = mapped_column(String(64))
    """Id of the Patient resource at the source; a patient entered by hand has their own id."""
    mrn: Mapped[str] = mapped_column(String(128))
    given_name: Mapped[str | None] = mapped_column(String(200))
    family_name: Mapped[str | None] = mapped_column(String(200))
    birth_date: Mapped[dt.date | None]
    birth_date_precision: Mapped[str | None] = mapped_column(String(5))
    """`year` or `month` where the rest of the date is not known, else `day`."""
    sex: Mapped[Sex | None] = mapped_column(String(10))
    gender_identity: Mapped[str | None] = mapped_column(String(200))
    race: Mapped[str | None] = mapped_column(String(200))
    ethnicity: Mapped[str | None] = mapped_column(String(200))
    language: Mapped[str | None] = mapped_column(String(64))
    phone: Mapped[str | None] = mapped_column(String(64))
    email: Mapped[str | None] = mapped_column(String(320))
    address: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    deceased: Mapped[bool] = mapped_column(server_default=text("false"))
    deceased_at: Mapped[dt.datetime | None]
    deceased_on: Mapped[dt.date | None]
    """The local day of death, where the source is."""
    deceased_precision: Mapped[str | None] = mapped_column(String(7))
    date_problem: Mapped[str | None] = mapped_column(String(20))
    """A `PatientDateProblem`."""
    impossible_dates: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
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

    __table_args__ = (
        UniqueConstraint("tenant_id", "source", "source_id"),
        UniqueConstraint(
            "tenant_id",
            "source",
            "mrn",
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
        Index("ix_patient_tenant_id_site_id", "tenant_id", "site_id"),
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
