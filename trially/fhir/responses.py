"""Answer requests with FHIR resources."""

import hashlib
from http import HTTPStatus
from urllib.parse import urlencode

from flask import Response, request

from trially.exports.fhir.elements import Json
from trially.exports.fhir.writing import as_line
from trially.http.etags import is_known_to_client

FHIR_TYPE = "application/fhir+json"
FHIR_PATH = "/api/v1/fhir"
_DIGITS_OF_ETAG = 32


def answer(resource: Json, *, has_etag: bool = True) -> Response:
    """Return a response with a resource.

    Its ETag is a digest of the content, because a resource is written from several rows. A GET
    whose If-None-Match names it is answered with 304.
    """
    content = as_line(resource)
    response = Response(content, HTTPStatus.OK, content_type=FHIR_TYPE)
    if has_etag:
        digest = hashlib.sha256(content).hexdigest()[:_DIGITS_OF_ETAG]
        if is_known_to_client(digest):
            response = Response(status=HTTPStatus.NOT_MODIFIED)
        response.set_etag(digest, weak=True)
    return response


def url_of(path: str, **query: str) -> str:
    """Return the URL of a resource of this server."""
    base = f"{request.host_url.rstrip('/')}{request.script_root}{FHIR_PATH}/{path}"
    return f"{base}?{urlencode(query)}" if query else base
