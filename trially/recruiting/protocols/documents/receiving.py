"""Receive the file of a study's document, and read its text, before a transaction is open."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Any

from flask import request

from trially.database.placement import current_placement
from trially.database.session import check_tenant_open
from trially.http.codes import Code
from trially.http.problems import ServiceUnavailable
from trially.http.retry_after import retry_after
from trially.http.uploads import received_upload
from trially.recruiting.documents.extracting.text_of import ExtractedText, Extraction

MOST_FILE_BYTES = 32 << 20
MOST_AT_A_TIME = 2
"""Documents that a process reads at a time: each may need as much memory as a reader is allowed."""

WAITING_SECONDS = 10.0

_FILE = {"schema": {"type": "string", "format": "binary", "description": "The file itself."}}
_TEXT = {
    "schema": {"type": "string", "description": "The text itself."},
    "example": "Inclusion Criteria:\n\n* Type 2 diabetes\n* Age of 18 years or more\n",
}
WORD_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
MEDIA_TYPES: Mapping[str, Mapping[str, Any]] = {
    "application/pdf": _FILE,
    WORD_TYPE: _FILE,
    "text/plain": _TEXT,
    "text/markdown": {**_TEXT, "example": "## Inclusion Criteria\n\n* Type 2 diabetes\n"},
}
"""The media types of a document, each with its schema and example."""

_readers = BoundedSemaphore(MOST_AT_A_TIME)


def receive_document() -> tuple[bytes, ExtractedText]:
    """Return the file that the current request sends, and its text.

    No transaction is open meanwhile, because an upload may take long. Raises a `Problem` for a body
    that cannot be a document, and if this process is busy with others.
    """
    check_tenant_open()
    with received_upload(request, MEDIA_TYPES, MOST_FILE_BYTES) as (file, _), _place_of_reader():
        content = file.read()
        extraction = Extraction(current_placement().tenant_id)
        return content, extraction.read_bytes(content, request.content_type)


@contextmanager
def _place_of_reader() -> Iterator[None]:
    if not _readers.acquire(timeout=WAITING_SECONDS):
        raise ServiceUnavailable(
            "This server process reads as many documents as it may"
            f" ({MOST_AT_A_TIME}). Send the request again later.",
            code=Code.DOCUMENTS_BUSY,
            headers=retry_after(Code.DOCUMENTS_BUSY, current_placement().tenant_id),
        )
    try:
        yield
    finally:
        _readers.release()
