"""Call views by their contracts, and render what they return."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import orjson
from flask import Flask, Response, current_app, request
from flask.typing import ResponseReturnValue
from marshmallow import Schema

from trially.http.contract import JSON_TYPE, Contract, View, contract_of
from trially.http.disclosures import note_criteria, note_disclosed
from trially.http.etags import ETAG, MASKED_SUFFIX, is_known_to_client, read_versions, to_etag
from trially.http.masked_fields import name_masked
from trially.http.masking import is_masked, shown, shown_page
from trially.http.reading import read_json, read_query

_DUMP_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC


class ContractFlask(Flask):
    """A Flask app that calls views by their contracts. None of its functions is a coroutine."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function as it is. Flask asks this of each function that it calls."""
        return func

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


def deferred_response(item: Mapping[str, Any], location: str) -> Response:
    """Return the answer 202 with a job that the client can follow at `location`."""
    shown = dict(item)
    shown[ETAG] = to_etag(shown.pop("version"))
    response = json_response(shown, HTTPStatus.ACCEPTED)
    response.headers["Location"] = location
    response.headers["Preference-Applied"] = "respond-async"
    return response


def refuse_query(view: View) -> None:
    """Answer 400 if the request has a query string and the view accepts none."""
    if request.query_string and contract_of(view).query is None:
        read_query(Schema())


def _render(contract: Contract, result: Any) -> Response:
    if contract.status is HTTPStatus.NO_CONTENT:
        return Response(status=HTTPStatus.NO_CONTENT)
    if contract.answers:
        note_disclosed(contract.subjects, [])
        return current_app.make_response(result)
    if contract.other_types:
        varying = _render_as_chosen(contract, result)
        varying.vary.add("Accept")
        return varying
    if contract.deferred is not None and isinstance(result, Response):
        return result
    return render_result(contract, result)


def _render_as_chosen(contract: Contract, result: Any) -> Response:
    return result if isinstance(result, Response) else render_result(contract, result)


def render_result(contract: Contract, result: Any) -> Response:
    """Render what a view has returned, or would have, by its contract."""
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
    if contract.located_at is not None:
        response.headers["Location"] = f"{request.script_root}{contract.located_at}/{item['id']}"
    elif contract.creates:
        path = request.path.rstrip("/")
        response.headers["Location"] = f"{request.script_root}{path}/{item[contract.located_by]}"
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
