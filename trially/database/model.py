"""Base classes of all tables: constraint names, column types, and columns in common."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, DateTime, MetaData, String, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Mapped, mapped_column, registry
from uuid_utils.compat import uuid7

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def _make_registry() -> registry:
    return registry(
        metadata=MetaData(naming_convention=NAMING_CONVENTION),
        type_annotation_map={
            dt.datetime: DateTime(timezone=True),
            str: String,
            dict[str, Any]: JSONB,
            list[str]: JSONB,
        },
    )


class CatalogModel(DeclarativeBase):
    """Base of the tables of the catalog, the control plane."""

    registry = _make_registry()


class TenantModel(DeclarativeBase):
    """Base of tenants' tables: the primary key is `(tenant_id, id)` in every tier."""

    registry = _make_registry()

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)


class Timestamped:
    """When a row was created and last changed, by the database's clock."""

    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now(), sort_order=900)
    updated_at: Mapped[dt.datetime] = mapped_column(
        server_default=func.now(), onupdate=func.now(), sort_order=901
    )


class Versioned:
    """A counter of a row's writes. A trigger raises it, so no statement can omit it."""

    version: Mapped[int] = mapped_column(BigInteger, server_default="1", sort_order=902)


def length_of(column: ColumnElement[Any] | InstrumentedAttribute[Any]) -> int:
    """Return the most characters that a column holds: the `n` of its `String(n)`.

    Raises `TypeError` for a column without a length.
    """
    length = getattr(column.type, "length", None)
    if not isinstance(length, int):
        raise TypeError(f"The column {column.key} has no length.")
    return length
