"""Fields that several resources share: texts as long as columns, time zones, places on earth."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from marshmallow import ValidationError, fields, validate
from sqlalchemy import Column

from trially.database.model import length_of
from trially.geolocation import MOST_DEGREES
from trially.http.fields import EXAMPLE, Text
from trially.tenancy.names import UnknownTimeZoneError, check_time_zone


def text(column: Column[str], **options: Any) -> Text:
    """Return a text field as long as its column; `options` are those of `Text`.

    Raises `TypeError` for a column without a length.
    """
    return Text(length_of(column), **options)


class TimeZone(Text):
    """The name of an IANA time zone."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        name = super()._deserialize(value, attr, data, **kwargs)
        try:
            return check_time_zone(name)
        except UnknownTimeZoneError as error:
            raise self.make_error("unknown") from error

    default_error_messages = {  # noqa: RUF012
        "unknown": "Must be the name of an IANA time zone, such as America/Chicago."
    }


class Degrees(fields.Float):
    """A latitude or longitude in degrees (WGS 84): a JSON number, or null."""

    def __init__(
        self, name: str, example: float, metadata: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        most = MOST_DEGREES[name]
        super().__init__(
            allow_none=True,
            validate=validate.Range(-most, most),
            metadata={EXAMPLE: example, "description": "Degrees, WGS 84.", **metadata},
        )

    def _validated(self, value: Any) -> Any:
        if isinstance(value, bool | str):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


def check_place(values: Mapping[str, Any]) -> None:
    """Reject a latitude without a longitude, and a longitude without a latitude.

    They are given together and removed together, so that a patch leaves no half of a place.
    """
    for name, other in (("latitude", "longitude"), ("longitude", "latitude")):
        is_alone = name in values and other not in values
        if is_alone or (values.get(name) is not None and values.get(other) is None):
            raise ValidationError(f"Give {other} too, or null for both.", name)
