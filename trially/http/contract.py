"""The contract of a view: what it accepts and returns, recorded by decorators above it.

Decorators only record. `call_view` reads the contract, prepares the view's arguments, calls it and
renders what it returned. The OpenAPI document reads the same contract.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import orjson
from flask import Flask, Response, current_app, request
from flask.typing import ResponseReturnValue
from marshmallow import Schema

from trially.http.answer_schemas import refuse_ignored_options
from trially.http.disclosures import Subjects, note_criteria, note_disclosed, subjects_of
from trially.http.etags import (
    ETAG,
    MASKED_SUFFIX,
    is_known_to_client,
    read_versions,
    to_etag,
)
from trially.http.masked_fields import Names, name_masked, names_of_masked
from trially.http.masking import Mask, is_masked, mask_of, shown, shown_page
from trially.http.reading import read_json, read_query

JSON_TYPE = "application/json"
MERGE_PATCH_TYPE = "application/merge-patch+json"
_DUMP_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC

View = Callable[..., Any]


@dataclass(frozen=True)
class Contract:
    """What one view accepts and returns."""

    body: Schema | None = None
    body_types: tuple[str, ...] = ()
    streams: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Schema and example of a body that the view reads itself, by media type."""

    query: Schema | None = None
    result: Schema | None = None
    mask: Mask | None = None
    """Masks one item of the result for a caller whose PHI level is not `full`."""

    masked_names: Names | None = None
    """Names the masked fields of an item, if there is a mask."""

    other_types: tuple[str, ...] = ()
    """Media types besides JSON that the view may answer in, as a response that it makes itself."""

    subjects: Subjects | None = None
    """The fields of an item with ids of patients; None if the view shows none."""

    shows_etags: bool = False
    """Each item of the result has its ETag as a member."""

    status: HTTPStatus = HTTPStatus.OK
    is_page: bool = False
    has_version: bool = False
    matches_versions: bool = False
    only_reads: bool = False

    @property
    def creates(self) -> bool:
        """Whether the view creates a record, whose id is in the result."""
        return self.status is HTTPStatus.CREATED and "id" in getattr(self.result, "fields", ())

    @property
    def is_keyed(self) -> bool:
        """Whether the route accepts an Idempotency-Key."""
        return self.status is HTTPStatus.CREATED and not self.streams_body

    @property
    def streams_body(self) -> bool:
        """Whether the view reads the body itself, because it may be too large for memory."""
        return bool(self.body_types) and self.body is None


def contract_of(view: View) -> Contract:
    """Return the contract that a view's decorators recorded."""
    contract: Contract = view.__dict__.get("contract", Contract())
    return contract


def accepts(schema: Schema) -> Callable[[View], View]:
    """Load the JSON body with `schema` and pass it to the view as `body`."""
    return _record(body=schema, body_types=(JSON_TYPE,))


def accepts_merge_patch(schema: Schema) -> Callable[[View], View]:
    """Load a merge patch (RFC 7396) with a partial schema and pass it to the view as `body`.

    It holds the members that the patch names, with None for those that the patch removes.
    """
    return _record(body=schema, body_types=(MERGE_PATCH_TYPE,))


def accepts_stream(media_types: Mapping[str, Mapping[str, Any]]) -> Callable[[View], View]:
    """Declare the media types of a body that the view reads itself.

    The OpenAPI document shows the `schema` and the `example` of each.
    """
    return _record(body_types=tuple(media_types), streams=media_types)


def queries(schema: Schema) -> Callable[[View], View]:
    """Load the query string with `schema` and pass it to the view as `query`."""
    return _record(query=schema)


def returns(schema: Schema, status: HTTPStatus = HTTPStatus.OK) -> Callable[[View], View]:
    """Render the mapping that the view returns as JSON, masked for the caller's PHI level."""
    return _record(**_result(schema), status=status)


def returns_version(schema: Schema, status: HTTPStatus = HTTPStatus.OK) -> Callable[[View], View]:
    """Render the mapping that the view returns as JSON, and its `version` as the ETag.

    A GET whose If-None-Match names that ETag is answered with 304. Raises `TypeError` if the schema
    has no field `etag`.
    """
    if ETAG not in schema.fields:
        raise TypeError(f"{type(schema).__name__} has no field etag. Add `etag = EntityTag()`.")
    return _record(**_result(schema), status=status, has_version=True)


def returns_page(schema: Schema) -> Callable[[View], View]:
    """Render the page of mappings that the view returns, masked for the caller's PHI level."""
    return _record(**_result(schema), is_page=True)


def also_returns(*media_types: str) -> Callable[[View], View]:
    """Declare other media types that the client may choose by Accept: see `chosen_type`.

    The view answers in them with a response of its own.
    """
    return _record(other_types=media_types)


def chosen_type(*media_types: str) -> str:
    """Return which of the media types, or of JSON, the client prefers; JSON if none."""
    types = [JSON_TYPE, *media_types]
    return request.accept_mimetypes.best_match(types, default=JSON_TYPE) or JSON_TYPE


def returns_nothing(view: View) -> View:
    """Answer 204 when the view returns."""
    return _record(status=HTTPStatus.NO_CONTENT)(view)


def matches_versions(view: View) -> View:
    """Pass the versions that If-Match names to the view as `versions`, or answer 428."""
    return _record(matches_versions=True)(view)


def only_reads(view: View) -> View:
    """Declare that the view changes nothing whatever its method, so a replica may answer it."""
    return _record(only_reads=True)(view)


class ContractFlask(Flask):
    """A Flask app that calls views by their contracts."""

    def dispatch_request(self) -> ResponseReturnValue:
        """Answer the current request."""
        is_view = request.routing_exception is None and request.method != "OPTIONS"
        if not is_view or request.endpoint is None:
            return super().dispatch_request()
        return self.answer(self.view_functions[request.endpoint], request.view_args or {})

    def answer(self, view: View, arguments: Mapping[str, Any]) -> Response:
        """Answer the current request with a view and the arguments from its URL."""
        return call_view(view, arguments)


def call_view(view: View, arguments: Mapping[str, Any]) -> Response:
    """Call a view with what its contract says it accepts, and render what it returns."""
    contract, values = contract_of(view), dict(arguments)
    if contract.matches_versions:
        values["versions"] = read_versions()
    if contract.query is not None:
        values["query"] = read_query(contract.query)
        note_criteria(contract.subjects, request.args)
    if contract.body is not None:
        body = read_json(contract.body_types[0])
        values["body"] = contract.body.load(body)
        if contract.only_reads:
            note_criteria(contract.subjects, body)
    return _render(contract, view(**values))


def json_response(body: Any, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Render `body`: uuids, decimals, dates and times included."""
    rendered = orjson.dumps(body, default=_to_number, option=_DUMP_OPTIONS)
    return Response(rendered, status, content_type=JSON_TYPE)


def refuse_query(view: View) -> None:
    """Answer 400 if the request has a query string and the view accepts none."""
    if request.query_string and contract_of(view).query is None:
        read_query(Schema())


def _result(schema: Schema) -> dict[str, Any]:
    refuse_ignored_options(schema)
    mask = mask_of(schema)
    return {
        "result": schema,
        "mask": mask,
        "subjects": subjects_of(schema),
        "masked_names": None if mask is None else names_of_masked(schema),
        "shows_etags": ETAG in schema.fields,
    }


def _record(**parts: Any) -> Callable[[View], View]:
    def record(view: View) -> View:
        view.__dict__["contract"] = replace(contract_of(view), **parts)
        return view

    return record


def _render(contract: Contract, result: Any) -> Response:
    if contract.status is HTTPStatus.NO_CONTENT:
        return Response(status=HTTPStatus.NO_CONTENT)
    if contract.other_types:
        varying = _render_as_chosen(contract, result)
        varying.vary.add("Accept")
        return varying
    return _render_result(contract, result)


def _render_as_chosen(contract: Contract, result: Any) -> Response:
    return result if isinstance(result, Response) else _render_result(contract, result)


def _render_result(contract: Contract, result: Any) -> Response:
    if contract.result is None:
        return current_app.make_response(result)
    if contract.is_page:
        note_disclosed(contract.subjects, result["data"])
        page = shown_page(_with_etags(contract, result), contract.mask)
        _name_masked(contract, page["data"])
        return json_response(page)
    note_disclosed(contract.subjects, [result])
    return _render_item(contract, dict(result))


def _render_item(contract: Contract, item: dict[str, Any]) -> Response:
    if contract.shows_etags:
        item[ETAG] = to_etag(item.pop("version"), is_masked=is_masked(contract.mask))
    if contract.has_version and _is_unchanged(item[ETAG]):
        response = Response(status=HTTPStatus.NOT_MODIFIED)
    else:
        masked = dict(shown(item, contract.mask))
        _name_masked(contract, [masked])
        response = json_response(masked, contract.status)
    if contract.has_version:
        response.headers["ETag"] = item[ETAG]
    if contract.creates:
        path = request.path.rstrip("/")
        response.headers["Location"] = f"{request.script_root}{path}/{item['id']}"
    return response


def _with_etags(contract: Contract, page: dict[str, Any]) -> dict[str, Any]:
    """Replace the version of each item by its ETag, and return the page."""
    if contract.shows_etags:
        suffix = MASKED_SUFFIX if is_masked(contract.mask) else ""
        for item in page["data"]:
            item[ETAG] = f'"{item.pop("version")}{suffix}"'
    return page


def _name_masked(contract: Contract, items: list[dict[str, Any]]) -> None:
    if contract.masked_names is not None:
        name_masked(items, contract.masked_names, is_masked=is_masked(contract.mask))


def _is_unchanged(etag: str) -> bool:
    return request.method in {"GET", "HEAD"} and is_known_to_client(etag)


def _to_number(value: Any) -> orjson.Fragment:
    """Return a decimal as a JSON number with all its digits: a float would be rounded."""
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value) if value.is_finite() else "null")
    raise TypeError(f"{type(value).__name__} has no form in JSON.")
