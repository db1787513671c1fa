"""The audit log of a tenant. Its tables are append-only: the app's role inserts and reads."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Integer, LargeBinary, SmallInteger, String, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.model import TenantModel
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

    __table_args__ = ({"info": APPEND_ONLY, "postgresql_partition_by": "RANGE (id)"},)
