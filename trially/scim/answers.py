"""Answer requests with SCIM resources."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from flask import Response, request

from trially.http.etags import is_known_to_client
from trially.scim.problems import SCIM_PATH, SCIM_TYPE

Json = dict[str, Any]

LIST_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:ListResponse"


def url_of(path: str) -> str:
    """Return the URL of a resource of this server."""
    return f"{request.host_url.rstrip('/')}{request.script_root}{SCIM_PATH}/{path}"


def answer(
    body: Mapping[str, Any],
    status: HTTPStatus = HTTPStatus.OK,
    *,
    version: int | None = None,
    location: str | None = None,
) -> Response:
    """Return a response with a resource or a list.

    `version` is that of the resource, and becomes the ETag. A GET whose If-None-Match names it is
    answered with 304.
    """
    response = Response(orjson.dumps(body), status, content_type=SCIM_TYPE)
    if version is not None:
        if request.method in {"GET", "HEAD"} and is_known_to_client(str(version)):
            response = Response(status=HTTPStatus.NOT_MODIFIED)
        response.set_etag(str(version), weak=True)
    if location is not None:
        response.headers["Location"] = location
    return response


def answer_list(resources: Sequence[Mapping[str, Any]], total: int, start: int) -> Response:
    """Return a response with a page of resources, of which there are `total`."""
    return answer(
        {
            "schemas": [LIST_SCHEMA],
            "totalResults": total,
            "startIndex": start,
            "itemsPerPage": len(resources),
            "Resources": list(resources),
        }
    )
