"""What a view takes and gives, said in decorators above it; the OpenAPI document reads them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import wraps
from http import HTTPStatus
from typing import Any

import orjson
from flask import Response, current_app, request
from marshmallow import Schema, ValidationError
from werkzeug.exceptions import HTTPException

from trially.http.masking import is_masked, mask_of, shown, shown_page
from trially.http.problems import (
    BadRequest,
    ContentTooLarge,
    UnprocessableContent,
    UnsupportedMediaType,
    to_pointers,
)
from trially.http.versions import is_known_to_client, read_versions, to_etag

JSON_TYPE = "application/json"
MERGE_PATCH_TYPE = "application/merge-patch+json"
_DUMP_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC

View = Callable[..., Any]


@dataclass(frozen=True)
class Contract:
    """What one view takes and gives."""

    body: Schema | None = None
    body_types: tuple[str, ...] = ()
    query: Schema | None = None
    result: Schema | None = None
    status: HTTPStatus = HTTPStatus.OK
    is_page: bool = False
    has_version: bool = False
    matches_versions: bool = False
    only_reads: bool = False

    @property
    def is_keyed(self) -> bool:
        """Whether an Idempotency-Key makes the request one effect however often it is sent."""
        return self.status is HTTPStatus.CREATED and not self.reads_by_itself

    @property
    def reads_by_itself(self) -> bool:
        """Whether the view reads the body: it may be too large to be read beforehand."""
        return bool(self.body_types) and self.body is None


def contract_of(view: View) -> Contract:
    """Return what a view's decorators say of it."""
    contract: Contract = view.__dict__.get("contract", Contract())
    return contract


def accepts(schema: Schema) -> Callable[[View], View]:
    """Load the JSON body with `schema` and hand it to the view as `body`."""
    return _with_body(schema, JSON_TYPE)


def accepts_merge_patch(schema: Schema) -> Callable[[View], View]:
    """Load a merge patch (RFC 7396) with a partial schema and hand it to the view as `body`.

    It has only what the patch names, and None for what the patch removes.
    """
    return _with_body(schema, MERGE_PATCH_TYPE)


def receives(*media_types: str) -> Callable[[View], View]:
    """Say which types of body the view reads by itself."""
    return lambda view: _extend(view, body_types=media_types)


def queries(schema: Schema) -> Callable[[View], View]:
    """Load the query string with `schema` and hand it to the view as `query`."""

    def decorate(view: View) -> View:
        @wraps(view)
        def reading(**kwargs: Any) -> Any:
            return view(query=_read_query(schema), **kwargs)

        return _extend(reading, query=schema)

    return decorate


def returns(schema: Schema, status: HTTPStatus = HTTPStatus.OK) -> Callable[[View], View]:
    """Write the mapping that the view returns as JSON, as the caller may see it."""
    mask = mask_of(schema)

    def decorate(view: View) -> View:
        @wraps(view)
        def writing(**kwargs: Any) -> Response:
            return json_response(shown(view(**kwargs), mask), status)

        return _extend(writing, result=schema, status=status)

    return decorate


def returns_version(schema: Schema, status: HTTPStatus = HTTPStatus.OK) -> Callable[[View], View]:
    """Write the mapping that the view returns as JSON, and its `version` as its ETag.

    The answer to a GET whose If-None-Match names that is 304.
    """
    mask = mask_of(schema)

    def decorate(view: View) -> View:
        @wraps(view)
        def writing(**kwargs: Any) -> Response:
            item = dict(view(**kwargs))
            etag = to_etag(item.pop("version"), is_masked=is_masked(mask))
            if request.method in {"GET", "HEAD"} and is_known_to_client(etag):
                answer = Response(status=HTTPStatus.NOT_MODIFIED)
            else:
                answer = json_response(shown(item, mask), status)
            answer.headers["ETag"] = etag
            return answer

        return _extend(writing, result=schema, status=status, has_version=True)

    return decorate


def matches_versions(view: View) -> View:
    """Hand the versions that If-Match names to the view as `versions`, or answer 428."""

    @wraps(view)
    def matching(**kwargs: Any) -> Any:
        return view(versions=read_versions(), **kwargs)

    return _extend(matching, matches_versions=True)


def only_reads(view: View) -> View:
    """Say that the view changes nothing, whatever its method: a read replica may answer it."""
    return _extend(view, only_reads=True)


def returns_page(schema: Schema) -> Callable[[View], View]:
    """Write the page of mappings that the view returns as JSON, as the caller may see them."""
    mask = mask_of(schema)

    def decorate(view: View) -> View:
        @wraps(view)
        def writing(**kwargs: Any) -> Response:
            return json_response(shown_page(view(**kwargs), mask))

        return _extend(writing, result=schema, is_page=True)

    return decorate


def returns_nothing(view: View) -> View:
    """Answer 204 once the view is done."""

    @wraps(view)
    def silencing(**kwargs: Any) -> Response:
        view(**kwargs)
        return Response(status=HTTPStatus.NO_CONTENT)

    return _extend(silencing, status=HTTPStatus.NO_CONTENT)


def json_response(body: Any, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Render `body`: uuids, decimals, dates and times included."""
    rendered = orjson.dumps(body, default=_to_number, option=_DUMP_OPTIONS)
    return Response(rendered, status, content_type=JSON_TYPE)


def refuse_query(view: View) -> None:
    """Answer 400 if there is a query string and `view` reads none: nothing is passed over."""
    if request.query_string and contract_of(view).query is None:
        _read_query(Schema())


def read_body() -> bytes:
    """Return the body, or answer 413 if it is larger than JSON may be."""
    limit = current_app.extensions["trially_settings"].max_body_bytes
    too_large = ContentTooLarge(f"The body must not be larger than {limit} bytes.")
    if (request.content_length or 0) > limit:
        raise too_large
    # A body in chunks is cut off there without a word, so there is room to see that it goes on.
    request.max_content_length = limit + 1
    with reading_body():
        body = request.get_data()
    if len(body) > limit:
        raise too_large
    return body


@contextmanager
def reading_body() -> Iterator[None]:
    """Answer 400 if the body cannot be read: each server has errors of its own for bad chunks."""
    try:
        yield
    except HTTPException:
        raise
    except Exception:  # noqa: BLE001
        raise BadRequest("The body cannot be read.") from None


def _with_body(schema: Schema, media_type: str) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        @wraps(view)
        def loading(**kwargs: Any) -> Any:
            return view(body=schema.load(_read_json(media_type)), **kwargs)

        return _extend(loading, body=schema, body_types=(media_type,))

    return decorate


def _read_json(media_type: str) -> Any:
    if request.mimetype != media_type:
        raise UnsupportedMediaType(f"The body must be {media_type}.")
    try:
        body = orjson.loads(read_body())
    except orjson.JSONDecodeError:
        raise BadRequest("The body is not JSON.") from None
    settings = current_app.extensions["trially_settings"]
    _refuse_sprawl(body, settings.max_json_depth, settings.max_json_items)
    return body


def _refuse_sprawl(value: Any, most_levels: int, most_items: int) -> None:
    """Answer 422 for JSON that is nested too deep, or has too many items in one place."""
    if not isinstance(value, dict | list):
        return
    if not most_levels:
        raise UnprocessableContent("The body is nested too deep.")
    if len(value) > most_items:
        raise UnprocessableContent(f"No part of the body may have more than {most_items} items.")
    for inner in value.values() if isinstance(value, dict) else value:
        _refuse_sprawl(inner, most_levels - 1, most_items)


def _read_query(schema: Schema) -> Any:
    try:
        given = request.args.to_dict(flat=False)
    except UnicodeDecodeError:
        raise BadRequest("The query string is not UTF-8.") from None
    faults: Any = {name: "Must be given once." for name in given if len(given[name]) > 1}
    if not faults:
        try:
            return schema.load({name: values[0] for name, values in given.items()})
        except ValidationError as error:
            faults = error.messages
    raise BadRequest("A query parameter is not usable.", errors=list(to_pointers(faults)))


def _to_number(value: Any) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON.")


def _extend(view: View, **said: Any) -> View:
    view.__dict__["contract"] = replace(contract_of(view), **said)
    return view
