"""How tenants are moved, as clients say it."""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields, validate

from trially.tenancy.lifecycle.moving.moves import MoveOptions


class MoveOptionsSchema(Schema):
    """How a tenant is moved."""

    max_pause_ms = fields.Integer(
        strict=True,
        load_default=100,
        validate=validate.Range(1, 60_000),
        metadata={"description": "The longest time that requests wait for the switch."},
    )
    window_minutes = fields.Integer(
        strict=True,
        load_default=10,
        validate=validate.Range(1, 1440),
        metadata={"description": "How long to wait for a moment for the switch, after the copy."},
    )
    keep_source_hours = fields.Integer(
        strict=True,
        load_default=24,
        validate=validate.Range(0, 720),
        metadata={"description": "How long the former placement is kept, to move back."},
    )


def to_move_options(asked: Mapping[str, Any]) -> MoveOptions:
    """Return what `MoveOptionsSchema` has loaded as commands take it."""
    return MoveOptions(
        max_pause=asked["max_pause_ms"] / 1000,
        give_up_seconds=asked["window_minutes"] * 60,
        keep_seconds=asked["keep_source_hours"] * 3600,
    )
