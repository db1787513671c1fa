"""The contract of a view: what it accepts and returns, recorded by decorators above it.

Decorators only record. `http/answering.py` reads the contract, prepares the view's arguments, calls
the view and renders what it returned. The OpenAPI document reads the same contract.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from flask import request
from marshmallow import Schema

from trially.http.answer_schemas import refuse_ignored_options
from trially.http.disclosures import Subjects, subjects_of
from trially.http.etags import ETAG
from trially.http.masked_fields import Names, names_of_masked
from trially.http.masking import Mask, mask_of

JSON_TYPE = "application/json"
MERGE_PATCH_TYPE = "application/merge-patch+json"

View = Callable[..., Any]


@dataclass(frozen=True)
class Contract:
    """What one view accepts and returns."""

    body: Schema | None = None
    body_types: tuple[str, ...] = ()
    streams: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Schema and example of a body that the view reads itself, by media type."""

    reads_document: bool = False
    """The view parses a body of `streams` itself, after all of it has been received."""

    query: Schema | None = None
    result: Schema | None = None
    mask: Mask | None = None
    """Masks one item of the result for a caller whose PHI level is not `full`."""

    masked_names: Names | None = None
    """Names the masked fields of an item, if there is a mask."""

    other_types: tuple[str, ...] = ()
    """Media types besides JSON that the view may answer in, as a response that it makes itself."""

    answers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Schema and example of an answer that the view makes itself, by media type."""

    refusals: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Schema and example of errors by media type, if errors are no problem details."""

    deferred: Schema | None = None
    """The answer 202 if the client prefers not to wait: see `prefers_async`."""

    may_conflict: bool = False
    """The state of the item may forbid the request, which is answered with 409 then."""

    subjects: Subjects | None = None
    """The fields of an item with ids of patients; None if the view shows none."""

    shows_etags: bool = False
    """Each item of the result has its ETag as a member."""

    status: HTTPStatus = HTTPStatus.OK
    located_by: str = "id"
    """The member of a created record that its URL ends with."""

    located_at: str | None = None
    """The path under which the result is found by its id, if it is not below this one."""

    feature: str | None = None
    """The feature that the tenant's plan must include."""

    shows_secret: bool = False
    """The answer has a secret that is shown once, so it is not stored for an Idempotency-Key."""

    is_page: bool = False
    has_version: bool = False
    matches_versions: bool = False
    only_reads: bool = False
    stores_results: bool = False

    @property
    def creates(self) -> bool:
        """Whether the view creates a record, whose id is in the result."""
        is_created = self.status is HTTPStatus.CREATED
        return is_created and self.located_by in getattr(self.result, "fields", ())

    @property
    def is_keyed(self) -> bool:
        """Whether the route accepts an Idempotency-Key."""
        is_new = self.status in (HTTPStatus.CREATED, HTTPStatus.ACCEPTED)
        is_stored = not (self.streams_body or self.reads_document or self.shows_secret)
        return is_new and is_stored

    @property
    def streams_body(self) -> bool:
        """Whether the view reads the body itself, because it may be too large for memory."""
        return bool(self.body_types) and self.body is None and not self.reads_document


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


def accepts_document(media_types: Mapping[str, Mapping[str, Any]]) -> Callable[[View], View]:
    """Declare the media types of a JSON body that the view parses itself: see `read_json_in`.

    The body is received before the request's transaction begins, as with `accepts`. The OpenAPI
    document shows the `schema` and the `example` of each.
    """
    return _record(body_types=tuple(media_types), streams=media_types, reads_document=True)


def queries(schema: Schema) -> Callable[[View], View]:
    """Load the query string with `schema` and pass it to the view as `query`."""
    return _record(query=schema)


def returns(schema: Schema, status: HTTPStatus = HTTPStatus.OK) -> Callable[[View], View]:
    """Render the mapping that the view returns as JSON, masked for the caller's PHI level."""
    return _record(**_result(schema), status=status)


def returns_version(
    schema: Schema, status: HTTPStatus = HTTPStatus.OK, *, located_by: str = "id"
) -> Callable[[View], View]:
    """Render the mapping that the view returns as JSON, and its `version` as the ETag.

    `located_by` is the member of a created record that its URL ends with. A GET whose
    If-None-Match names that ETag is answered with 304. Raises `TypeError` if the schema
    has no field `etag`.
    """
    if ETAG not in schema.fields:
        raise TypeError(f"{type(schema).__name__} has no field etag. Add `etag = EntityTag()`.")
    return _record(**_result(schema), status=status, has_version=True, located_by=located_by)


def returns_later(schema: Schema, path: str) -> Callable[[View], View]:
    """Answer 202 with the mapping that the view returns, whose URL is `path` and its id.

    The client finds the result there when it is done.
    """
    return _record(**_result(schema), status=HTTPStatus.ACCEPTED, located_at=path)


def returns_page(schema: Schema) -> Callable[[View], View]:
    """Render the page of mappings that the view returns, masked for the caller's PHI level."""
    return _record(**_result(schema), is_page=True)


def also_returns(*media_types: str) -> Callable[[View], View]:
    """Declare other media types that the client may choose by Accept: see `chosen_type`.

    The view answers in them with a response of its own.
    """
    return _record(other_types=media_types)


def answers_in(
    media_types: Mapping[str, Mapping[str, Any]],
    *,
    subjects: Subjects | None = None,
    has_etag: bool = False,
    status: HTTPStatus = HTTPStatus.OK,
) -> Callable[[View], View]:
    """Declare the media types of a response that the view makes itself.

    The OpenAPI document shows the `schema` and the `example` of each. `subjects=()` says that the
    request is recorded as one about patients, of whom none is stored. `has_etag` says that the view
    sets an ETag, and answers 304 to If-None-Match.
    """
    return _record(answers=media_types, subjects=subjects, has_version=has_etag, status=status)


def refuses_in(media_types: Mapping[str, Mapping[str, Any]]) -> Callable[[View], View]:
    """Declare the media types of errors that are rendered in another form than problem details.

    The OpenAPI document shows the `schema` and the `example` of each.
    """
    return _record(refusals=media_types)


def also_defers(schema: Schema) -> Callable[[View], View]:
    """Declare that a client that sends `Prefer: respond-async` gets 202 with this answer."""
    return _record(deferred=schema)


def prefers_async() -> bool:
    """Return whether the client prefers not to wait for the result (RFC 7240, section 4.1)."""
    preferences = (
        each for header in request.headers.getlist("Prefer") for each in header.split(",")
    )
    names = {each.split(";")[0].strip().lower() for each in preferences}
    return "respond-async" in names


def chosen_type(*media_types: str) -> str:
    """Return which of the media types, or of JSON, the client prefers; JSON if none."""
    types = [JSON_TYPE, *media_types]
    return request.accept_mimetypes.best_match(types, default=JSON_TYPE) or JSON_TYPE


def shows_secret(view: View) -> View:
    """Declare that the answer has a secret that is shown once, and nowhere stored."""
    return _record(shows_secret=True)(view)


def may_conflict(view: View) -> View:
    """Declare that the state of the item may forbid the request: the answer is 409 then."""
    return _record(may_conflict=True)(view)


def feature(name: str) -> Callable[[View], View]:
    """Refuse the request with 403 if the tenant does not have this feature of plans."""
    return _record(feature=name)


def returns_nothing(view: View) -> View:
    """Answer 204 when the view returns."""
    return _record(status=HTTPStatus.NO_CONTENT)(view)


def matches_versions(view: View) -> View:
    """Pass the versions that If-Match names to the view as `versions`, or answer 428."""
    return _record(matches_versions=True)(view)


def only_reads(view: View) -> View:
    """Declare that the view changes nothing whatever its method, so a replica may answer it."""
    return _record(only_reads=True)(view)


def stores_results(view: View) -> View:
    """Declare that a view that only reads may store what it has computed for later requests.

    The primary answers it, because a replica cannot store.
    """
    return _record(stores_results=True)(view)


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
