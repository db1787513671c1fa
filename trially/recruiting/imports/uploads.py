"""An upload, kept in a nameless temporary file while it is taken in."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from flask import Request

from trially.http.contract import reading_body
from trially.http.problems import BadRequest, ContentTooLarge, UnsupportedMediaType

KEPT_IN_MEMORY_BYTES = 1 << 20
CHUNK_BYTES = 1 << 18
MEDIA_TYPES = (
    "application/fhir+json",
    "application/fhir+ndjson",
    "application/json",
    "application/ndjson",
    "application/x-ndjson",
    "application/gzip",
    "application/x-gzip",
    "application/octet-stream",
)


@contextmanager
def received(request: Request, most_bytes: int) -> Iterator[tuple[BinaryIO, str]]:
    """Receive the body of a request; give it and its SHA-256 in hexadecimal.

    The file has no name, so nothing of it outlives the process. Raises a `Problem` for a media
    type that is not FHIR's, and for a body that is empty, cut short or larger than `most_bytes`.
    """
    if request.mimetype not in MEDIA_TYPES:
        raise UnsupportedMediaType(f"The body must be one of {', '.join(MEDIA_TYPES)}.")
    too_large = ContentTooLarge(f"The body must not be larger than {most_bytes} bytes.")
    if (request.content_length or 0) > most_bytes:
        raise too_large
    request.max_content_length = most_bytes + 1
    digest, size = hashlib.sha256(), 0
    with tempfile.SpooledTemporaryFile(KEPT_IN_MEMORY_BYTES) as file:
        while chunk := _read_chunk(request):
            size += len(chunk)
            if size > most_bytes:
                raise too_large
            digest.update(chunk)
            file.write(chunk)
        if not size:
            raise BadRequest("The body is empty.")
        if size < (request.content_length or 0):
            raise BadRequest("The body ends before its Content-Length.")
        file.seek(0)
        yield cast("BinaryIO", file), digest.hexdigest()


def _read_chunk(request: Request) -> bytes:
    with reading_body():
        return request.stream.read(CHUNK_BYTES)
