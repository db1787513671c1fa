"""The tables of the yardsticks, with the columns that trially answers and the usual indexes.

Unlike trially's tables, they have no triggers, no `tenant_id` and no columns that imports need.
"""

import datetime as dt
import uuid
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    DateTime,
    Identity,
    Index,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, registry


class Base(DeclarativeBase):
    registry = registry(
        type_annotation_map={
            dt.datetime: DateTime(timezone=True),
            dict[str, Any]: JSONB(none_as_null=True),
        }
    )


class Member(Base):
    __tablename__ = "member"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    issuer: Mapped[str]
    subject: Mapped[str]
    role: Mapped[str]

    __table_args__ = (UniqueConstraint("issuer", "subject"),)


class Patient(Base):
    __tablename__ = "patient"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    mrn: Mapped[str]
    given_name: Mapped[str | None]
    family_name: Mapped[str | None]
    birth_date: Mapped[dt.date | None]
    birth_date_precision: Mapped[str | None] = mapped_column(default="day")
    sex: Mapped[str | None]
    gender_identity: Mapped[str | None]
    race: Mapped[str | None]
    ethnicity: Mapped[str | None]
    language: Mapped[str | None]
    phone: Mapped[str | None]
    email: Mapped[str | None]
    address: Mapped[dict[str, Any] | None]
    deceased: Mapped[bool] = mapped_column(default=False)
    deceased_at: Mapped[dt.datetime | None]
    deceased_on: Mapped[dt.date | None]
    deceased_precision: Mapped[str | None]
    date_problem: Mapped[str | None]
    impossible_dates: Mapped[dict[str, Any] | None]
    contact_preference: Mapped[str] = mapped_column(default="ok")
    site_id: Mapped[UUID | None]
    source: Mapped[str] = mapped_column(default="manual")
    source_id: Mapped[str]
    mrn_system: Mapped[str | None]
    active: Mapped[bool] = mapped_column(default=True)
    record_status: Mapped[str] = mapped_column(default="current")
    replaced_by_id: Mapped[UUID | None]
    withdrawn_reason: Mapped[str | None]
    corrections: Mapped[dict[str, Any]] = mapped_column(default=dict)
    custom: Mapped[dict[str, Any]] = mapped_column(default=dict)
    last_encounter_on: Mapped[dt.date | None]
    clinical_version: Mapped[int] = mapped_column(BigInteger, default=1)
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        UniqueConstraint("source", "source_id"),
        UniqueConstraint("source", "mrn"),
        Index("ix_patient_site_id", "site_id"),
        Index("ix_patient_birth_date", "birth_date"),
        Index("ix_patient_name", text("lower(family_name)"), text("lower(given_name)")),
    )


FIELDS = tuple(column.name for column in Patient.__table__.columns)
"""What trially answers about a patient, except `etag` and `masked_fields`, which are no columns."""


class LeanPatient(Base):
    """A patient of the lean app."""

    __tablename__ = "lean_patient"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    mrn: Mapped[str] = mapped_column(unique=True)
    given_name: Mapped[str | None]
    family_name: Mapped[str | None]
    birth_date: Mapped[dt.date | None]
    sex: Mapped[str | None]
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())


class AuditRecord(Base):
    __tablename__ = "audit_record"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    at: Mapped[dt.datetime] = mapped_column(server_default=func.now(), index=True)
    member_id: Mapped[UUID]
    action: Mapped[str]
    patient_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    address: Mapped[str | None]


def with_types(values: dict[str, Any]) -> dict[str, Any]:
    """Return a patient's values, which come from JSON, with the types of their columns."""
    return {
        **values,
        "id": UUID(values["id"]),
        "birth_date": dt.date.fromisoformat(values["birth_date"]),
    }
