"""Receive an upload in an unnamed temporary file."""

import hashlib
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from flask import Request

from trially.http.problems import BadRequest, ContentTooLarge, UnsupportedMediaType
from trially.http.reading import reading_body
from trially.request_state import request_state

KEPT_IN_MEMORY_BYTES = 1 << 20
CHUNK_BYTES = 1 << 18


@contextmanager
def received_upload(
    request: Request, media_types: Collection[str], most_bytes: int
) -> Iterator[tuple[BinaryIO, str]]:
    """Receive the body of a request, and yield its file and its SHA-256 in hexadecimal.

    The file has no name, so the operating system deletes it when the process ends. Raises a
    `Problem` for an unsupported media type, and for a body that is empty, shorter than its
    Content-Length or larger than `most_bytes`.
    """
    if request.mimetype not in media_types:
        raise UnsupportedMediaType(
            f"The media type must be one of {', '.join(media_types)}. The body is the file itself,"
            " not a form."
        )
    too_large = ContentTooLarge(f"The body must not be larger than {most_bytes} bytes.")
    if (request.content_length or 0) > most_bytes:
        raise too_large
    request.max_content_length = most_bytes + 1
    digest, size = hashlib.sha256(), 0
    request_state().has_read_body = True
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
            raise BadRequest("The body is shorter than its Content-Length.")
        file.seek(0)
        yield cast("BinaryIO", file), digest.hexdigest()


def _read_chunk(request: Request) -> bytes:
    with reading_body():
        return request.stream.read(CHUNK_BYTES)
