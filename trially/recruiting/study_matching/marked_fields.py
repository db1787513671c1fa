"""Fields of answers about matches that name no patient."""

from marshmallow import fields

from trially.http.fields import EXAMPLE
from trially.phi import PLAIN


def number(description: str = "", example: int | None = 12) -> fields.Integer:
    """Return the field of a number of patients or criteria, which may be hidden."""
    return fields.Integer(
        dump_only=True,
        allow_none=True,
        metadata=PLAIN | {EXAMPLE: example, "description": description},
    )


def english(example: str, description: str) -> fields.String:
    """Return the field of an English sentence that names no patient."""
    return fields.String(
        dump_only=True, metadata=PLAIN | {EXAMPLE: example, "description": description}
    )
