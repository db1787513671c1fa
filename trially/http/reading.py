"""Read what a request carries: its JSON body and its query string, each within its limits."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
from flask import request
from marshmallow import Schema, ValidationError
from werkzeug.exceptions import HTTPException

from trially.config import current_settings
from trially.duplicate_members import has_duplicate_members
from trially.http.codes import Code
from trially.http.problems import (
    BadRequest,
    ContentTooLarge,
    UnprocessableContent,
    UnsupportedMediaType,
    to_pointers,
)


def read_body() -> bytes:
    """Return the body, or answer 413 if it is larger than JSON may be."""
    limit = current_settings().max_body_bytes
    too_large = ContentTooLarge(f"The body must not be larger than {limit} bytes.")
    if (request.content_length or 0) > limit:
        raise too_large
    # Werkzeug silently cuts off a chunked body at the limit: one byte more shows it is longer.
    request.max_content_length = limit + 1
    with reading_body():
        body = request.get_data()
    if len(body) > limit:
        raise too_large
    return body


@contextmanager
def reading_body() -> Iterator[None]:
    """Answer 400 if the body cannot be read: each WSGI server has its own errors for bad chunks."""
    try:
        yield
    except HTTPException:
        raise
    except Exception:  # noqa: BLE001
        raise BadRequest("The body cannot be read.") from None


def read_json(media_type: str) -> Any:
    """Return the JSON body, or answer 400, 413, 415 or 422."""
    return read_json_in((media_type,))


def read_json_in(media_types: Sequence[str]) -> Any:
    """Return the JSON body, which has one of these media types, or answer as `read_json` does."""
    if request.mimetype not in media_types:
        raise UnsupportedMediaType(f"The body must be {' or '.join(media_types)}.")
    text = read_body()
    try:
        body = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise BadRequest("The body is not JSON.", code=Code.MALFORMED_JSON) from None
    settings = current_settings()
    _refuse_sprawl(body, settings.max_json_depth, settings.max_json_items)
    if has_duplicate_members(text, body):
        raise BadRequest("An object of the body names a member twice.", code=Code.MALFORMED_JSON)
    return body


def refuse_excess(merged: Any) -> None:
    """Answer 422 for what a merge patch results in, if it could not be sent as one body."""
    settings = current_settings()
    _refuse_sprawl(merged, settings.max_json_depth, settings.max_json_items)
    if len(orjson.dumps(merged)) > settings.max_body_bytes:
        raise UnprocessableContent(
            f"The patched object must not be larger than {settings.max_body_bytes} bytes.",
            code=Code.VALIDATION_FAILED,
        )


def _refuse_sprawl(value: Any, most_levels: int, most_items: int, level: int = 0) -> None:
    """Answer 422 for JSON that is nested too deep, or has too many items in one container."""
    if not isinstance(value, dict | list):
        return
    if level == most_levels:
        raise UnprocessableContent(
            f"The body must not be nested in more than {most_levels} levels.",
            code=Code.VALIDATION_FAILED,
        )
    if len(value) > most_items:
        raise UnprocessableContent(
            f"No array or object of the body may have more than {most_items} items.",
            code=Code.VALIDATION_FAILED,
        )
    for inner in value.values() if isinstance(value, dict) else value:
        _refuse_sprawl(inner, most_levels, most_items, level + 1)


def read_query(schema: Schema) -> Any:
    """Return the query string as `schema` loads it, or answer 400."""
    try:
        values = request.args.to_dict(flat=False)
    except UnicodeDecodeError:
        raise BadRequest("The query string is not UTF-8.") from None
    faults: Any = {name: "Must occur once." for name in values if len(values[name]) > 1}
    if not faults:
        try:
            return schema.load({name: repeated[0] for name, repeated in values.items()})
        except ValidationError as error:
            faults = error.messages
    raise BadRequest(
        "A query parameter is invalid.",
        code=Code.INVALID_PARAMETER,
        errors=list(to_pointers(faults)),
    )
