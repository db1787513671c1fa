"""Value sets of a tenant, their versions, and the expansions of these."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, String, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.changes import unaudited
from trially.database.classes import REMOVED, Copied, Held, classify
from trially.database.model import TenantModel, Timestamped, Versioned
from trially.database.protection import OF_ORGANISATIONS, protect
from trially.resources.sorting import by, ignoring_case, index_sorts

LONGEST_KEY = 64


class ValueSet(Timestamped, Versioned, TenantModel):
    """A value set that the tenant has composed.

    Its composition is that of its newest version, and its digest that of the newest expansion.
    """

    __tablename__ = "value_set"

    key: Mapped[str] = mapped_column(String(LONGEST_KEY))
    """What criteria call it. It never changes."""
    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str | None] = mapped_column(String(2000))
    compose: Mapped[dict[str, Any]]
    number: Mapped[int] = mapped_column(server_default="1")
    """The number of the newest version."""
    digest: Mapped[str] = mapped_column(String(64))
    code_count: Mapped[int]
    range_count: Mapped[int]
    gaps: Mapped[list[str]] = mapped_column(server_default=text("'[]'::jsonb"))
    terminologies: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    """The identity of each terminology that the expansion needed; null if it was not loaded."""
    expanded_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        UniqueConstraint(
            "tenant_id",
            "key",
            info={"pointer": "/key", "detail": "There is a value set with this key already."},
        ),
    )


class ValueSetVersion(TenantModel):
    """A version of a value set. It never changes: an edit makes a new one."""

    __tablename__ = "value_set_version"

    value_set_id: Mapped[UUID]
    number: Mapped[int]
    compose: Mapped[dict[str, Any]]
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        UniqueConstraint("tenant_id", "value_set_id", "number"),
        ForeignKeyConstraint(
            ["tenant_id", "value_set_id"],
            ["value_set.tenant_id", "value_set.id"],
            ondelete="CASCADE",
        ),
        {"info": unaudited("Written with its value set.")},
    )


class ValueSetExpansion(TenantModel):
    """What a version came down to with the terminologies of a time. It never changes.

    A version has a further one if a terminology, or a value set that it includes, has changed.
    """

    __tablename__ = "value_set_expansion"

    value_set_id: Mapped[UUID]
    number: Mapped[int]
    """The number of the version."""
    digest: Mapped[str] = mapped_column(String(64))
    content: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """Codes by system, and ranges: `Expansion.as_json`."""
    terminologies: Mapped[dict[str, Any]]
    expanded_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "value_set_id"],
            ["value_set.tenant_id", "value_set.id"],
            ondelete="CASCADE",
        ),
        Index("ix_value_set_expansion_tenant_id_value_set_id", "tenant_id", "value_set_id", "id"),
        {"info": unaudited("Follows from its version.")},
    )


SORTS = index_sorts(
    ValueSet,
    {
        "key": by(ValueSet.key),
        "name": ignoring_case(ValueSet.name),
        "created_at": by(ValueSet.created_at),
    },
)

# A member may write anything into names, so masked clones have no value sets of their own.
classify(
    ValueSet,
    {
        REMOVED: "key name description compose gaps terminologies",
        Held.NUMBER: "number code_count range_count",
        Held.DIGEST: "digest",
        Held.MOMENT: "expanded_at",
    },
    Copied.UNMASKED,
)
protect(ValueSet, {}, OF_ORGANISATIONS)
classify(
    ValueSetVersion,
    {Held.ID: "value_set_id", Held.NUMBER: "number", REMOVED: "compose"},
    Copied.UNMASKED,
)
protect(ValueSetVersion, {}, OF_ORGANISATIONS)
classify(
    ValueSetExpansion,
    {
        Held.ID: "value_set_id",
        Held.NUMBER: "number",
        Held.DIGEST: "digest",
        REMOVED: "content terminologies",
        Held.MOMENT: "expanded_at",
    },
    Copied.UNMASKED,
)
protect(ValueSetExpansion, {}, OF_ORGANISATIONS)
