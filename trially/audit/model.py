"""The audit log of a tenant. Its tables are append-only: the app's role inserts and reads."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.classes import REMOVED, Copied, Held, classify, identifier
from trially.database.model import TenantModel
from trially.database.protection import OF_MEMBERS, SEALED_ALREADY, protect
from trially.tenancy.schema.append_only import APPEND_ONLY


class AuditForm(TenantModel):
    """What many records have in common, so that a record is small.

    The id is a digest of the content.
    """

    __tablename__ = "audit_form"

    route: Mapped[str] = mapped_column(String(200))
    """Method and path of the route, or the command."""
    action: Mapped[str] = mapped_column(String(20))
    """An `Action`."""
    purpose: Mapped[str] = mapped_column(String(20))
    """A code of HL7's PurposeOfUse."""
    phi_level: Mapped[str | None] = mapped_column(String(10))
    """The PHI level of the caller; null for operators and jobs."""
    fields: Mapped[list[Any]] = mapped_column(JSONB)
    """The fields that the answer shows of each patient, those that the level masks included."""

    __table_args__ = ({"info": APPEND_ONLY},)


class AuditRecord(TenantModel):
    """One request, command or batch of a job that disclosed, changed or was refused something.

    The id is a UUID of version 7, so a partition holds the records of one year.
    """

    __tablename__ = "audit_record"

    at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    transaction_id: Mapped[int] = mapped_column(
        BigInteger, server_default=text("((pg_current_xact_id())::text)::bigint")
    )
    """Orders the records for the seals, together with `epoch` and `id`."""
    form_id: Mapped[UUID]
    member_id: Mapped[UUID | None]
    """The member who acted; null for operators, jobs, and callers who are no member."""
    epoch: Mapped[int] = mapped_column(Integer)
    """Epoch of the tenant's placement. It grows when the tenant moves to another server."""
    outcome: Mapped[int] = mapped_column(SmallInteger)
    """HTTP status of the answer; 0 for a command or job."""
    operator: Mapped[str | None] = mapped_column(String(255))
    """The operator who acted, alone or as a member."""
    request_id: Mapped[str | None] = mapped_column(String(64))
    """Id of the request; null if it is the record's own id, in hexadecimal."""
    subjects: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Audit numbers of the patients: see `subjects.pack`."""
    details: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """Changed rows, names of criteria, counts."""

    __table_args__ = (
        Index("ix_audit_record_order", "tenant_id", "epoch", "transaction_id"),
        {"info": APPEND_ONLY, "postgresql_partition_by": "RANGE (id)"},
    )


class AuditSeal(TenantModel):
    """A seal of consecutive records: see `trially.seals.Seal`, whose fields it stores."""

    __tablename__ = "audit_seal"

    id: Mapped[UUID] = mapped_column(
        primary_key=True, server_default=func.gen_random_uuid(), sort_order=1
    )
    number: Mapped[int] = mapped_column(BigInteger)
    previous: Mapped[bytes] = mapped_column(LargeBinary)
    columns: Mapped[list[str]] = mapped_column(ARRAY(Text))
    first: Mapped[list[str]] = mapped_column(ARRAY(Text))
    last: Mapped[list[str]] = mapped_column(ARRAY(Text))
    count: Mapped[int] = mapped_column(Integer)
    records: Mapped[bytes] = mapped_column(LargeBinary)
    checksums: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())

    __table_args__ = (UniqueConstraint("tenant_id", "number"), {"info": APPEND_ONLY})


class AuditSubject(TenantModel):
    """The index of the patients in consecutive sealed records: see `trially.audit.subject_index`.

    Its bytes are stored uncompressed and out of line, so that a search reads only small parts.
    """

    __tablename__ = "audit_subject"

    level: Mapped[int] = mapped_column(SmallInteger)
    """0 for an index of some thousand records, 1 for one of many times as many."""
    first_seal: Mapped[int] = mapped_column(BigInteger)
    last_seal: Mapped[int] = mapped_column(BigInteger)
    first_number: Mapped[int] = mapped_column(BigInteger)
    """The lowest audit number in it."""
    shift: Mapped[int] = mapped_column(SmallInteger)
    """Numbers of one bucket differ in this many low bits only, counted from `first_number`."""
    record_ids: Mapped[bytes] = mapped_column(LargeBinary)
    """The ids of the records, 16 bytes each, in the order of the seals."""
    directory: Mapped[bytes] = mapped_column(LargeBinary)
    """Where each bucket begins in `entries`, as 4 bytes each, and where the last one ends."""
    entries: Mapped[bytes] = mapped_column(LargeBinary)
    """The buckets: for each number the positions of its records in `record_ids`."""

    __table_args__ = (UniqueConstraint("tenant_id", "level", "first_seal"), {"info": APPEND_ONLY})


class AuditPruning(TenantModel):
    """A year whose records were removed after the retention time."""

    __tablename__ = "audit_pruning"

    year: Mapped[int] = mapped_column(Integer)
    record_id: Mapped[UUID]
    """The audit record of the operation that removed them."""
    operator: Mapped[str] = mapped_column(String(255))
    pruned_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())

    __table_args__ = (UniqueConstraint("tenant_id", "year"), {"info": APPEND_ONLY})


classify(AuditForm, {Held.TECHNICAL: "route action purpose phi_level fields"}, Copied.NEVER)
classify(
    AuditRecord,
    {
        Held.MOMENT: "at",
        Held.NUMBER: "transaction_id epoch outcome",
        Held.ID: "form_id member_id",
        identifier("member"): "operator",
        REMOVED: "request_id subjects details",
    },
    Copied.NEVER,
)
protect(
    AuditRecord,
    {
        SEALED_ALREADY: "subjects details",
    },
    OF_MEMBERS,
)
classify(
    AuditSeal,
    {
        Held.NUMBER: "number count",
        Held.DIGEST: "previous records checksums hash",
        Held.TECHNICAL: "columns first last",
        Held.MOMENT: "sealed_at",
    },
    Copied.NEVER,
)
protect(AuditSeal, {}, OF_MEMBERS)
classify(
    AuditSubject,
    {
        Held.NUMBER: "level first_seal last_seal first_number shift",
        Held.DERIVED: "record_ids directory entries",
    },
    Copied.NEVER,
)
protect(AuditSubject, {}, OF_MEMBERS)
classify(
    AuditPruning,
    {
        Held.NUMBER: "year",
        Held.ID: "record_id",
        identifier("member"): "operator",
        Held.MOMENT: "pruned_at",
    },
    Copied.NEVER,
)
protect(AuditPruning, {}, OF_MEMBERS)
