"""Describe changed rows for an audit record. Values about a patient are encrypted.

The key is the patient's own (`patient.audit_key`). When the patient is erased the key is deleted
with the row. The record then still verifies, and its values cannot be read any more.
"""

import datetime as dt
from base64 import b64decode, b64encode
from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from trially.audit_notes import AuditNotes, Change
from trially.keys.sealing import seal_with, unseal_with


def describe_changes(notes: AuditNotes) -> list[dict[str, Any]]:
    """Return the changed rows as JSON values: their tables, columns, and old and new values."""
    return [_describe(change, notes) for change in notes.changes]


def patients_of(changes: Iterable[Change]) -> set[UUID]:
    """Return the patients whom changed rows are about."""
    return {change.patient_id for change in changes if change.patient_id is not None}


def open_values(sealed: str, key: bytes) -> dict[str, Any]:
    """Decrypt the values of a change. Raises `ValueError` if the key is not the patient's."""
    values: dict[str, Any] = orjson.loads(unseal_with(key, b64decode(sealed)))
    return values


def _describe(change: Change, notes: AuditNotes) -> dict[str, Any]:
    described: dict[str, Any] = {"table": change.table}
    if not change.is_about_patients:
        return described | {"id": change.row_id, "values": _plain(change.values)}
    if change.patient_id is not None:
        described["subject"] = notes.numbers.get(change.patient_id)
    described["columns"] = sorted(change.values)
    key = notes.keys.get(change.patient_id) if change.patient_id else None
    if key is not None and change.values:
        content = orjson.dumps({"id": change.row_id, **_plain(change.values)}, default=_to_json)
        described["sealed"] = _seal(content, key)
    return described


def _seal(content: bytes, key: bytes) -> str:
    return b64encode(seal_with(key, content)).decode()


def _plain(values: dict[str, tuple[Any, Any]]) -> dict[str, Any]:
    return {name: list(both) for name, both in values.items()}


def _to_json(value: Any) -> Any:
    if isinstance(value, Decimal | dt.timedelta):
        return str(value)
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return str(value)
