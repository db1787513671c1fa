"""Seal and open values of the current tenant's columns, if the tenant encrypts fields.

A sealed text begins with `MARK`, which no text of a client or a source has. So a reader needs no
state: whatever begins with it is opened under the version of the key that it names, and everything
else is as it was written. What a writer does is in the tenant's placement (`FieldState`). When the
state changes, the guard refuses all transactions that began with the former one.
"""

from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import orjson

from trially.database.field_states import READABLE, FieldState
from trially.keys.blind_indexes import BlindIndex
from trially.keys.field_sealing import FieldCipher, key_version_of
from trially.keys.sealing import UnsealError
from trially.request_state import request_state
from trially.state import app_state

MARK = "\x01"
"""Begins a sealed text. `trially.plain_text` removes it from what clients and sources send."""

TERM_BITS = 64
"""Bits of a search term. No two words of a tenant share one, and each word says it is there."""

SEARCH_TERMS = "patient_search_term.term"


def field_state() -> FieldState:
    """Return the state of the current tenant's fields."""
    placement = request_state().placement
    return READABLE if placement is None else placement.fields


def seal_text(context: str, value: str) -> str:
    """Return a text as the current tenant stores it in the columns of a context."""
    version = field_state().version
    return value if version is None else _sealed(context, value.encode(), version)


def open_text(context: str, stored: str) -> str:
    """Return the text of a stored value. Raises `UnsealError` if it belongs to another column."""
    return _opened(context, stored).decode() if stored.startswith(MARK) else stored


def seal_json(context: str, value: Any) -> Any:
    """Return a JSON value as the current tenant stores it: a sealed one is a text."""
    version = field_state().version
    if version is None:
        return value
    return _sealed(context, orjson.dumps(_in_order(value)), version)


def open_json(context: str, stored: Any) -> Any:
    """Return the JSON value of a stored one. Raises `UnsealError`."""
    if isinstance(stored, str) and stored.startswith(MARK):
        return orjson.loads(_opened(context, stored))
    return stored


def seal_bytes(context: str, value: bytes) -> bytes:
    """Return bytes as the current tenant stores them."""
    version = field_state().version
    return value if version is None else _cipher(context, version).seal(value)


def open_bytes(context: str, sealed: bytes) -> bytes:
    """Return the bytes of a sealed value. Raises `UnsealError`."""
    version = key_version_of(sealed)
    other = field_state().opens_as
    if other is None:
        return _cipher(context, version).unseal(sealed)
    try:
        return _cipher(context, version, other).unseal(sealed)
    except UnsealError:  # An interrupted copy has sealed it for itself already.
        return _cipher(context, version).unseal(sealed)


def forms_of_text(context: str, value: str) -> list[str]:
    """Return all forms in which the current tenant may store a text."""
    encoded = value.encode()
    return [
        value if version is None else _sealed(context, encoded, version)
        for version in field_state().forms
    ]


def term_of(kind: str, term: str) -> str:
    """Return a search term as the current tenant stores it: itself, or its blind index."""
    version = field_state().version
    return term if version is None else _blind(kind, term, version)


def forms_of_terms(kind: str, terms: Iterable[str]) -> list[str]:
    """Return all forms in which the current tenant may store some terms."""
    forms = field_state().forms
    return [
        term if version is None else _blind(kind, term, version)
        for term in terms
        for version in forms
    ]


def _sealed(context: str, value: bytes, version: int) -> str:
    return MARK + _base64(_cipher(context, version).seal(value))


def _opened(context: str, stored: str) -> bytes:
    return open_bytes(context, a2b_base64(stored[len(MARK) :]))


def _base64(value: bytes) -> str:
    return b2a_base64(value, newline=False).decode()


def _blind(kind: str, term: str, version: int) -> str:
    index = _derived(SEARCH_TERMS, version, _make_index)
    return MARK + _base64(index.term(f"{kind}\0{term}")).rstrip("=")


def _cipher(context: str, version: int, tenant_id: UUID | None = None) -> FieldCipher:
    cipher: FieldCipher = _derived(context, version, FieldCipher, tenant_id)
    return cipher


def _make_index(key: Any, context: str) -> BlindIndex:
    return BlindIndex(key, context, TERM_BITS)


def _derived(context: str, version: int, make: Any, tenant_id: UUID | None = None) -> Any:
    """Return what derives from a version of a data key, made once in an app context.

    It is the current tenant's, unless another one is named.
    """
    state = request_state()
    name = context, version, tenant_id
    known = state.derived_keys.get(name)
    if known is None:
        placement = state.placement
        assert placement is not None  # noqa: S101
        key = app_state().find_data_key(tenant_id or placement.tenant_id, version)
        known = state.derived_keys[name] = make(key, context)
    return known


def _in_order(value: Any) -> Any:
    """Return a value with the members of objects in the order of `jsonb`."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: (len(name.encode()), name.encode()))
        return {name: _in_order(value[name]) for name in names}
    return [_in_order(each) for each in value] if isinstance(value, list) else value
