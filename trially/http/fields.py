"""Fields of payloads that marshmallow lacks."""

from typing import Any

from marshmallow import Schema, fields, validate

from trially.plain_text import is_plain


class Text(fields.String):
    """A line of text that PostgreSQL accepts, of bounded length, and not blank."""

    def __init__(self, longest: int, *, shortest: int = 1, **kwargs: Any) -> None:
        super().__init__(validate=validate.Length(shortest, longest), **kwargs)

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


class PageQuerySchema(Schema):
    """Query parameters of every list."""

    limit = fields.Integer(
        load_default=50,
        validate=validate.Range(1, 200),
        metadata={"description": "Maximum number of items on a page."},
    )
    cursor = fields.String(
        load_default=None,
        validate=validate.Length(1, 1000),
        metadata={"description": "`page.next` of the previous page."},
    )
