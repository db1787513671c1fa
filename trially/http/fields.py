"""Fields of payloads that marshmallow lacks."""

import datetime as dt
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from trially.phi import PLAIN
from trially.plain_text import is_plain

EXAMPLE = "example"
"""The key of a field's metadata with the value that the OpenAPI document shows."""

LARGEST_PAGE = 200
LONGEST_CURSOR = 3000
"""Characters of a cursor. A request line is limited to 4094 bytes by `deploy/gunicorn.conf.py`."""

MOST_SORT_KEYS = 3


class Text(fields.String):
    """A line of text that PostgreSQL accepts, of bounded length, and not blank."""

    def __init__(
        self,
        longest: int,
        *,
        shortest: int = 1,
        example: str | None = None,
        metadata: Mapping[str, Any] = MappingProxyType({}),
        **kwargs: Any,
    ) -> None:
        shown = {} if example is None else {EXAMPLE: example}
        super().__init__(
            validate=validate.Length(shortest, longest), metadata={**metadata, **shown}, **kwargs
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not is_plain(text):
            raise self.make_error("unsafe")
        if not text.strip() and text:
            raise self.make_error("blank")
        return text

    default_error_messages = {  # noqa: RUF012
        "blank": "Must not be blank.",
        "unsafe": "Must not contain control characters or characters that set the text direction.",
    }


class Moment(fields.AwareDateTime):
    """A time with any offset of ISO 8601, in UTC: PostgreSQL knows only offsets below 16 hours."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        moment = super()._deserialize(value, attr, data, **kwargs)
        try:
            return moment.astimezone(dt.UTC)
        except OverflowError:
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE) from None


class Flag(fields.Boolean):
    """True or false. Numbers are rejected, although Python holds 1 equal to True."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, attr, data, **kwargs)


class Choice(fields.String):
    """One of the values of a `StrEnum`."""

    def __init__(self, choices: type[Any], **kwargs: Any) -> None:
        super().__init__(validate=validate.OneOf([str(choice) for choice in choices]), **kwargs)


class Scalar(fields.Raw):
    """A text, a number, true or false."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(metadata={"type": ["string", "number", "boolean"]}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, str | int | float):
            raise self.make_error("nested")
        return super()._deserialize(value, attr, data, **kwargs)

    default_error_messages = {  # noqa: RUF012
        "nested": "Must be a text, a number, true or false."
    }


class JsonObject(fields.Dict):
    """An object whose members are not those of a schema. Faults point at its members."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        try:
            return super()._deserialize(value, attr, data, **kwargs)  # type: ignore[no-untyped-call]
        except ValidationError as error:
            raise ValidationError(_of_members(error.messages)) from None


class OpenObject(JsonObject):
    """An object whose members a tenant has defined. Each of them is one of `values`.

    `hidden` returns the members that are masked for callers without the PHI level `full`. Without
    it, none is.
    """

    def __init__(
        self,
        values: fields.Field[Any],
        *,
        hidden: Callable[[], Collection[str]] | None = None,
        metadata: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        super().__init__(values=values, metadata=metadata)
        self.hidden = hidden


def _of_members(messages: Any) -> Any:
    """Return the messages without marshmallow's steps from a member to its `key` or `value`."""
    if not isinstance(messages, Mapping):
        return messages
    return {name: steps.get("key", steps.get("value", steps)) for name, steps in messages.items()}


class EntityTag(fields.String):
    """The version of a row, as the ETag of its answer: the value for If-Match."""

    def __init__(self) -> None:
        super().__init__(
            dump_only=True,
            metadata={
                **PLAIN,
                EXAMPLE: '"1"',
                "description": "The version of this record. Send it as If-Match to change the"
                " record only if nobody else has changed it.",
            },
        )


Sorting = tuple[tuple[str, str], ...]
"""Names of sort keys, each with "asc" or "desc"."""


class Sort(fields.String):
    """Sort keys of a list, such as `name,-created_at`. It is loaded as a `Sorting`."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = tuple(names)
        one = f"-?({'|'.join(names)})"
        super().__init__(
            metadata={
                "description": f"Sort keys, separated by commas, at most {MOST_SORT_KEYS}:"
                f" {', '.join(f'`{name}`' for name in names)}. `-` before a key sorts in descending"
                " order. An unknown value counts as smaller than all others.",
                "pattern": f"^{one}(,{one}){{0,{MOST_SORT_KEYS - 1}}}$",
                EXAMPLE: f"-{self._names[-1]}",
            }
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        keys = super()._deserialize(value, attr, data, **kwargs).split(",")
        names = [key.removeprefix("-") for key in keys]
        if unknown := [name for name in names if name not in self._names]:
            raise self.make_error("unknown", unknown=unknown[0][:50], names=", ".join(self._names))
        if len(set(names)) < len(names):
            raise self.make_error("repeated")
        if len(names) > MOST_SORT_KEYS:
            raise self.make_error("many", most=MOST_SORT_KEYS)
        return tuple(
            (name, "desc" if key.startswith("-") else "asc")
            for name, key in zip(names, keys, strict=True)
        )

    default_error_messages = {  # noqa: RUF012
        "unknown": "There is no sort key '{unknown}'. Sort by: {names}.",
        "repeated": "Must name each sort key once.",
        "many": "Must name at most {most} sort keys.",
    }


_TOTAL = {
    "description": "Also count all matches, as `page.total`. PostgreSQL then reads every match, so"
    " request the total with the first page only."
}


class PageQuerySchema(Schema):
    """Query parameters of every list."""

    limit = fields.Integer(
        load_default=50,
        validate=validate.Range(1, LARGEST_PAGE),
        metadata={"description": "Maximum number of items on a page."},
    )
    cursor = fields.String(
        load_default=None,
        validate=validate.Length(1, LONGEST_CURSOR),
        metadata={"description": "`page.next` of the previous page."},
    )
    total = fields.Boolean(truthy={"true"}, falsy={"false"}, metadata=_TOTAL)


class PageBodySchema(Schema):
    """Members of the body of every search."""

    limit = fields.Integer(
        strict=True,
        load_default=50,
        validate=validate.Range(1, LARGEST_PAGE),
        metadata={"description": "Maximum number of items on a page."},
    )
    cursor = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(1, LONGEST_CURSOR),
        metadata={"description": "`page.next` of the previous page."},
    )
    total = Flag(metadata=_TOTAL)
