"""Read the parts of a document's text: attachments, Binary resources and narratives."""

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from flask import has_app_context

from trially.database.placement import current_placement
from trially.recruiting.documents.extracting.problems import MOST_PARTS, TextProblem
from trially.recruiting.documents.extracting.text_of import (
    ExtractedText,
    Extraction,
    in_pages,
)
from trially.recruiting.imports.fhir.rows import PartRow
from trially.recruiting.imports.fhir.values import (
    LONGEST_REFERENCE,
    Json,
    is_id,
    read_object,
    read_objects,
    read_text,
)
from trially.recruiting.imports.urns import id_of_urn
from trially.recruiting.sources.server_urls import base_of
from trially.request_state import request_state

LONGEST_CONTENT_TYPE = 200
_DATA_URL = re.compile(r"data:([^,]{0,200}?)(;base64)?,", re.IGNORECASE)
_BINARY_URL = re.compile(r"(?:.*/)?Binary/([^/]+)(?:/_history/[^/]+)?/?", re.DOTALL)


def begin_extraction() -> Extraction:
    """Return the extraction of one resource's parts, which share its limit of time."""
    is_placed = has_app_context() and request_state().placement is not None
    return Extraction(current_placement().tenant_id if is_placed else None)


def bound_parts(parts: Iterable[PartRow], element: str) -> list[PartRow]:
    """Return the first parts of a resource. If there are more, the last one says so."""
    bounded = list(islice(parts, MOST_PARTS + 1))
    if len(bounded) > MOST_PARTS:
        bounded[-1] = _part(element, ExtractedText(problem=TextProblem.TOO_MANY_PARTS))
    return bounded


def no_part(element: str) -> PartRow:
    """Return the part of a document that has no text at all."""
    return _part(element, ExtractedText(problem=TextProblem.EMPTY))


def has_text(parts: Iterable[PartRow]) -> bool:
    """Return whether any part has text, or waits for a Binary."""
    return any(part["pages"] or part["binary_id"] for part in parts)


def read_attachment(
    attachment: Json, element: str, resource: Json, extraction: Extraction
) -> Iterator[PartRow]:
    """Yield the text of an Attachment. An Attachment without data and URL has none."""
    content_type = read_text(attachment.get("contentType"), LONGEST_CONTENT_TYPE)
    data, url = attachment.get("data"), attachment.get("url")
    if type(data) is str:
        yield _part(element, extraction.read_base64(data, content_type))
    elif data is not None:
        yield _part(element, ExtractedText(problem=TextProblem.BROKEN_BASE64))
    elif type(url) is str:
        yield _read_url(url.strip(), content_type, element, resource, extraction)


def read_binary(binary: Json, extraction: Extraction) -> ExtractedText:
    """Return the text of a Binary. Its data was called `content` before FHIR R4."""
    content_type = read_text(binary.get("contentType"), LONGEST_CONTENT_TYPE)
    data = binary.get("data", binary.get("content"))
    if type(data) is not str:
        problem = TextProblem.EMPTY if data is None else TextProblem.BROKEN_BASE64
        return ExtractedText(problem=problem)
    return extraction.read_base64(data, content_type)


def read_narrative(
    title: str | None, narrative: object, element: str, extraction: Extraction
) -> Iterator[PartRow]:
    """Yield the text of a narrative below its title. Nothing, if it has neither."""
    div = read_object(narrative).get("div")
    if type(div) is str and div.strip():
        text = extraction.read("html", div)
        is_empty = text.problem == TextProblem.EMPTY
        if not is_empty or title:
            problem = None if is_empty else text.problem
            yield _part(element, ExtractedText(text.pages, problem=problem), title)
    elif title:
        yield _part(element, ExtractedText(), title)


def read_plain(text: str, element: str) -> PartRow:
    """Return the part of plain text."""
    return _part(element, in_pages(text))


def _read_url(
    url: str, content_type: str | None, element: str, resource: Json, extraction: Extraction
) -> PartRow:
    """Return the text of a `data:` URL or contained Binary, or the id of the Binary to wait for."""
    if url.startswith("#"):
        for contained in read_objects(resource.get("contained")):
            if contained.get("id") == url[1:] and contained.get("resourceType") == "Binary":
                typed = {"contentType": content_type, **contained}
                return _part(element, read_binary(typed, extraction))
        return _part(element, ExtractedText(problem=TextProblem.NOT_IN_IMPORT))
    if match := _DATA_URL.match(url):
        if match.group(2) is None:
            return _part(element, ExtractedText(problem=TextProblem.BROKEN_BASE64))
        data = url[match.end() :]
        return _part(element, extraction.read_base64(data, match.group(1) or content_type))
    if len(url) > LONGEST_REFERENCE:
        return _part(element, ExtractedText(problem=TextProblem.URL_NOT_FETCHED))
    match = _BINARY_URL.fullmatch(url.partition("?")[0])
    binary_id = id_of_urn(url) if url[:4].lower() == "urn:" else match and match[1]
    if is_id(binary_id):
        base_url = base_of(url, "Binary")
        part = _part(element, ExtractedText())
        return {**part, "binary_id": binary_id, "binary_base": base_url}
    return _part(element, ExtractedText(problem=TextProblem.URL_NOT_FETCHED))


def _part(element: str, text: ExtractedText, heading: str | None = None) -> PartRow:
    return {
        "element": element,
        "heading": heading,
        "pages": list(text.pages),
        "is_paged": text.is_paged,
        "problem": text.problem,
        "binary_id": None,
        "binary_base": "",
    }
