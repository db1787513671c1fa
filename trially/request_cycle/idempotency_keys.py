"""The table of Idempotency-Keys and of the stored responses to their requests."""

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import (
    Index,
    SmallInteger,
    String,
    UniqueConstraint,
    func,
    select,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from trially.database.changes import names_patients, unaudited
from trially.database.classes import Copied, Held, classify
from trially.database.model import TenantModel
from trially.database.placement import current_placement
from trially.database.protection import CHOSEN_BY_CLIENTS, SEALED, protect
from trially.database.rows import fetch_items, of_current_tenant, table_of
from trially.database.sealed_types import SealedBytes, SealedJson
from trially.database.sealing import field_state, seal_bytes, seal_json
from trially.database.session import db

PURGED_AT_ONCE = 100
"""Maximum of expired keys that one request deletes."""


_CONTEXT = "idempotency_key."


class IdempotencyKey(TenantModel):
    """A key that a member sent, and the response to its request."""

    __tablename__ = "idempotency_key"

    member_id: Mapped[UUID]
    operation: Mapped[str] = mapped_column(String(2000))
    """Method and path; the same key on another route is a different key."""
    key: Mapped[str] = mapped_column(String(255))
    request_digest: Mapped[bytes] = mapped_column(SealedBytes(32, _CONTEXT + "request_digest"))
    status: Mapped[int | None] = mapped_column(SmallInteger)
    headers: Mapped[dict[str, Any] | None] = mapped_column(SealedJson(_CONTEXT + "headers"))
    body: Mapped[bytes | None] = mapped_column(SealedBytes(None, _CONTEXT + "body"))
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        UniqueConstraint(
            "tenant_id", "member_id", "operation", "key", name="uq_idempotency_key_use"
        ),
        Index("ix_idempotency_key_tenant_id_created_at", "tenant_id", "created_at"),
        {"info": unaudited("The request is recorded.") | names_patients()},
    )


classify(
    IdempotencyKey,
    {
        Held.ID: "member_id",
        Held.TECHNICAL: "operation",
        Held.NUMBER: "status",
        Held.SECRET: "key request_digest headers body",
    },
    Copied.NEVER,
)
protect(
    IdempotencyKey,
    {
        CHOSEN_BY_CLIENTS: "key",
        SEALED: "request_digest headers body",
    },
)


@dataclass(frozen=True)
class KeyUse:
    """One use of a key: the member, the operation, and a digest of the request."""

    member_id: UUID
    operation: str
    key: str
    request_digest: bytes


class KeyInUseError(RuntimeError):
    """Another request with the same key is still running."""


# With the lock, a second request is answered at once. Without it, its INSERT would wait in the
# unique index until the first request ends.
_CLAIM = text(
    "INSERT INTO idempotency_key (tenant_id, id, member_id, operation, key, request_digest)"
    " SELECT CAST(:tenant_id AS uuid), CAST(:id AS uuid), CAST(:member_id AS uuid),"
    " :operation, :key, :request_digest"
    " WHERE pg_try_advisory_xact_lock("
    "hashtext(concat_ws(' ', :tenant_id, :member_id, :operation)), hashtext(:key))"
    " ON CONFLICT (tenant_id, member_id, operation, key) DO UPDATE"
    " SET request_digest = excluded.request_digest, created_at = now(),"
    " status = NULL, headers = NULL, body = NULL"
    " WHERE idempotency_key.created_at < now() - make_interval(secs => :lifetime)"
    " RETURNING id"
)
_STORE = text(
    "WITH expired AS (DELETE FROM idempotency_key WHERE tenant_id = CAST(:tenant_id AS uuid)"
    " AND id IN (SELECT id FROM idempotency_key WHERE tenant_id = CAST(:tenant_id AS uuid)"
    " AND created_at < now() - make_interval(secs => :lifetime)"
    f" ORDER BY created_at LIMIT {PURGED_AT_ONCE} FOR UPDATE SKIP LOCKED))"
    " UPDATE idempotency_key SET status = :status, headers = CAST(:headers AS jsonb), body = :body"
    " WHERE tenant_id = CAST(:tenant_id AS uuid) AND id = CAST(:id AS uuid)"
)


def claim_key(use: KeyUse, lifetime_seconds: int) -> UUID | None:
    """Claim a key for this transaction; return None if it was used before and has not expired."""
    return db.session.execute(
        _CLAIM,
        {
            "tenant_id": str(current_placement().tenant_id),
            "id": str(uuid7()),
            "member_id": str(use.member_id),
            "operation": use.operation,
            "key": use.key,
            "request_digest": seal_bytes(_CONTEXT + "request_digest", use.request_digest),
            "lifetime": lifetime_seconds,
        },
    ).scalar()


def get_response(use: KeyUse) -> dict[str, Any]:
    """Return the stored response to a key's first use, or raise `KeyInUseError`."""
    columns = table_of(IdempotencyKey).c
    rows = fetch_items(
        select(columns.request_digest, columns.status, columns.headers, columns.body).where(
            of_current_tenant(IdempotencyKey),
            columns.member_id == use.member_id,
            columns.operation == use.operation,
            columns.key == use.key,
        )
    )
    if not rows or rows[0]["status"] is None:
        raise KeyInUseError("A request with this Idempotency-Key is still running. Retry later.")
    return rows[0]


def _stored_headers(headers_json: str) -> str:
    if field_state().version is None:
        return headers_json
    return orjson.dumps(seal_json(_CONTEXT + "headers", orjson.loads(headers_json))).decode()


def store_response(
    claim: UUID, status: int, headers_json: str, body: bytes, lifetime_seconds: int
) -> None:
    """Store the response beside a claimed key, and delete some expired keys."""
    db.session.execute(
        _STORE,
        {
            "tenant_id": str(current_placement().tenant_id),
            "id": str(claim),
            "status": status,
            "headers": _stored_headers(headers_json),
            "body": seal_bytes(_CONTEXT + "body", body),
            "lifetime": lifetime_seconds,
        },
    )
