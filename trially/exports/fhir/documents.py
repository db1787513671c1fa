"""Write documents with their texts."""

import base64
from collections.abc import Sequence

from trially.exports.fhir.elements import (
    ABSENT,
    Json,
    Row,
    coding,
    concept,
    date_time,
    meta,
    present,
    reference,
    required_code,
)

_REPORT = "DiagnosticReport"
DOCUMENT_TYPES = {
    "DocumentReference": ["DocumentReference", "Composition"],
    "DiagnosticReport": [_REPORT],
}
"""By type of the written resource: the types of the documents that it is written for."""

MEDIA_TYPE = "text/plain; charset=utf-8"
_SEPARATOR = "\n\n"


def write_document(document: Row, pages: Sequence[str]) -> Json:
    """Return a DiagnosticReport, or a DocumentReference for any other document.

    A Composition has sections, which are not stored apart: it becomes a DocumentReference.
    """
    if document["source_type"] == _REPORT:
        return _report(document, pages)
    resource = _begin(document, "DocumentReference")
    required_code(resource, "status", document["status"])
    encounter = reference("Encounter", document["encounter_source_id"])
    attachment = {**_attachment(document, pages), "creation": _date(document)}
    return present(
        {
            **resource,
            "docStatus": document["document_status"],
            "type": _type(document),
            "category": _category(document),
            "author": _authors(document),
            "content": [{"attachment": present(attachment) or ABSENT}],
            "context": {"encounter": [encounter]} if encounter else None,
        }
    )


def text_of(pages: Sequence[str]) -> str:
    """Return the text of a document's pages."""
    return _SEPARATOR.join(pages)


def _report(document: Row, pages: Sequence[str]) -> Json:
    resource = _begin(document, _REPORT)
    required_code(resource, "status", document["status"])
    attachment = present(_attachment(document, pages))
    return present(
        {
            **resource,
            "category": _category(document),
            "code": _type(document) or ABSENT,
            "encounter": reference("Encounter", document["encounter_source_id"]),
            "effectiveDateTime": _date(document),
            "resultsInterpreter": _authors(document),
            "presentedForm": [attachment] if attachment else None,
        }
    )


def _begin(document: Row, kind: str) -> Json:
    patient = reference("Patient", document["patient_source_id"], document["patient_base_url"])
    return present(
        {
            "resourceType": kind,
            "id": document["source_id"],
            "meta": meta(document),
            "subject": patient,
        }
    )


def _type(document: Row) -> Json | None:
    return concept(
        document["type_system"],
        document["type_code"],
        document["type_display"],
        document["other_codings"],
    )


def _category(document: Row) -> list[Json]:
    return [{"coding": [coding(None, document["category"])]}] if document["category"] else []


def _date(document: Row) -> str | None:
    return date_time(document["at"], document["at_precision"], document["at_offset"])


def _authors(document: Row) -> list[Json]:
    names = (document["author"] or "").split("; ")
    return [{"display": name} for name in names if name]


def _attachment(document: Row, pages: Sequence[str]) -> Json:
    text = text_of(pages)
    return {
        "contentType": MEDIA_TYPE if text else None,
        "data": base64.b64encode(text.encode()).decode() if text else None,
        "title": document["title"],
    }
