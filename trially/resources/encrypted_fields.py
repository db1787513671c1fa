"""Refuse what a list or a search cannot do, because the tenant encrypts a field."""

from collections.abc import Iterable

from trially.database.rows import Model, table_of
from trially.database.sealed_rows import sealed_columns
from trially.database.sealing import field_state
from trially.http.codes import Code
from trially.http.problems import UnprocessableContent


def refuse_encrypted_order(model: Model, fields: Iterable[str]) -> None:
    """Answer 422 if a list would be sorted by a field that the tenant encrypts."""
    if not field_state().is_sealed:
        return
    encrypted = sorted(sealed_columns(table_of(model)).keys() & set(fields))
    if encrypted:
        raise field_encrypted("/sort", f"This tenant encrypts {' and '.join(encrypted)}.")


def field_encrypted(pointer: str, detail: str) -> UnprocessableContent:
    """Return the problem of a parameter, by its pointer, that needs the order or parts of a field.

    `detail` is a sentence.
    """
    return UnprocessableContent(
        "The tenant encrypts its fields, so they cannot be sorted or searched in this way.",
        code=Code.FIELD_ENCRYPTED,
        errors=[{"pointer": pointer, "detail": detail}],
    )
