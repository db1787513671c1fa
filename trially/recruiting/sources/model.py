"""Sources of imported records."""

from typing import Any

from blinker import Signal
from sqlalchemy import LargeBinary, String, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.classes import REMOVED, Held, classify, identifier
from trially.database.model import TenantModel, Timestamped, Versioned
from trially.database.protection import DIGESTS, OF_ORGANISATIONS, protect
from trially.resources.sorting import by, ignoring_case, index_sorts

time_zone_changes = Signal()
"""Sent in the transaction of the change, before it, with the source's name and its new `zone`."""

MANUAL_SOURCE = "manual"
"""Source of patients entered through the API; imported ones carry the name of their source."""


class RecordSource(Timestamped, Versioned, TenantModel):
    """A system that assigns the ids of its records. The first import that names it creates it."""

    __tablename__ = "record_source"

    name: Mapped[str] = mapped_column(String(64))
    base_url: Mapped[str | None] = mapped_column(String(1024))
    """The base URL of its FHIR server. Records below it, or without a URL, are the source's own.

    The first absolute URL of an import sets it.
    """

    mrn_system: Mapped[str | None] = mapped_column(String(255))
    """The identifier system whose values are shown as MRNs. Null chooses the best identifier."""

    time_zone: Mapped[str | None] = mapped_column(String(64))
    """IANA name of the zone of times without an offset. Null means the tenant's."""

    column_mapping: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """Which column of its CSV files is which field, by kind of file."""

    erasure_salt: Mapped[bytes] = mapped_column(
        LargeBinary, server_default=func.uuid_send(func.gen_random_uuid())
    )
    """Secret part of the digests of erased records."""

    __table_args__ = (
        UniqueConstraint(
            "tenant_id",
            "name",
            info={"pointer": "/name", "detail": "There is a source of this name already."},
        ),
    )


SORTS = index_sorts(
    RecordSource,
    {"name": ignoring_case(RecordSource.name), "created_at": by(RecordSource.created_at)},
)

classify(
    RecordSource,
    {
        identifier("source"): "name",
        identifier("url"): "base_url",
        identifier("system"): "mrn_system",
        REMOVED: "time_zone column_mapping",
        Held.SECRET: "erasure_salt",
    },
)
protect(
    RecordSource,
    {
        DIGESTS: "erasure_salt",
    },
    OF_ORGANISATIONS,
)
