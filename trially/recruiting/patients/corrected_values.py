"""The type of `patient.corrections`: what the source says of corrected fields, sealed one by one.

Each value is sealed as in its own column. So SQL can move a value from the column into the
corrections, as an import does.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect

from trially.database.sealed_types import SealedJson
from trially.database.sealing import open_json, open_text, seal_json, seal_text

IMPORTED = "imported"
CONTEXTS = {
    "mrn": "patient.number",
    **{
        name: f"patient.{name}"
        for name in ("given_name", "family_name", "birth_date", "phone", "email")
    },
}
"""The contexts of the fields that are sealed as texts."""

ADDRESS = "address"


class SealedCorrections(SealedJson):
    """An object for each corrected field, with what the source says as `imported`."""

    cache_ok = True

    def __init__(self) -> None:
        super().__init__("patient.corrections")

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """Return the type of what is compared with corrections, such as the name of a field."""
        return JSONB().coerce_compared_value(op, value)

    def process_bind_param(self, value: Mapping[str, Any] | None, _dialect: Dialect) -> Any:
        """Return the stored form."""
        return None if value is None else _with_each(value, seal_text, seal_json)

    def process_result_value(self, value: Any, _dialect: Dialect) -> dict[str, Any] | None:
        """Return the corrections."""
        return value if not value else _with_each(value, open_text, open_json)


def _with_each(
    corrections: Mapping[str, Any],
    text: Callable[[str, str], str],
    json: Callable[[str, Any], Any],
) -> dict[str, Any]:
    return {
        field: {**correction, IMPORTED: _changed(field, correction[IMPORTED], text, json)}
        for field, correction in corrections.items()
    }


def _changed(
    field: str,
    value: Any,
    text: Callable[[str, str], str],
    json: Callable[[str, Any], Any],
) -> Any:
    if value is None:
        return None
    if field in CONTEXTS:
        return text(CONTEXTS[field], str(value) if isinstance(value, dt.date) else value)
    return json("patient.address", value) if field == ADDRESS else value
