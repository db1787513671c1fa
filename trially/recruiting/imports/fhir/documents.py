"""Translate DocumentReference, DiagnosticReport, Composition and Binary to documents."""

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from trially.recruiting.imports.fhir.codings import LOINC, read_category, read_concept
from trially.recruiting.imports.fhir.document_parts import (
    begin_extraction,
    bound_parts,
    has_text,
    no_part,
    read_attachment,
    read_binary,
    read_narrative,
    read_plain,
)
from trially.recruiting.imports.fhir.fact_parts import ENTERED_IN_ERROR
from trially.recruiting.imports.fhir.rows import (
    LONGEST_AUTHOR,
    LONGEST_TITLE,
    BinaryRow,
    DocumentRow,
    IgnoredResource,
    PartRow,
)
from trially.recruiting.imports.fhir.values import (
    Json,
    find_reference,
    read_code,
    read_date,
    read_id,
    read_object,
    read_objects,
    read_period,
    read_reference,
    read_text,
)

MOST_SECTION_LEVELS = 10
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)\Z")
_UTC_OFFSET = 0
_VERSION_NUMBER = re.compile(r"[0-9]{1,18}")


class When(NamedTuple):
    """A document's date, its precision, and the UTC offset that the source wrote, in minutes."""

    at: str | None = None
    precision: str | None = None
    offset: int | None = None


def translate_document_reference(resource: Json) -> list[DocumentRow]:
    """Return the document of a DocumentReference. Its contents are forms of one document."""
    context = read_object(resource.get("context"))
    contents = read_objects(resource.get("content"))
    attachments = [read_object(content.get("attachment")) for content in contents]
    encounters = [*read_objects(context.get("encounter")), *read_objects(resource.get("context"))]
    created = next((each for each in attachments if each.get("creation")), {})
    period, _ = read_period(context, "period", "DocumentReference.context")
    document = _begin(
        resource,
        # STU3 has `created`, and calls the date of the reference `indexed`.
        _first_date(
            _read_when(resource, "created"),
            _read_when(resource, "date"),
            _read_when(created, "creation", "DocumentReference.content.attachment"),
            When(*period),
            _read_when(resource, "indexed"),
        ),
        title=_first_text(
            *(each.get("title") for each in attachments), resource.get("description")
        ),
        authors=read_objects(resource.get("author")),
        encounters=encounters,
    )
    document["document_status"] = read_code(
        resource.get("docStatus"), "DocumentReference.docStatus"
    )
    if document["document_status"] == ENTERED_IN_ERROR:
        document["entered_in_error"] = True
    if document["category"] is None:
        concept = read_concept(resource.get("class"), LOINC, "DocumentReference.class")
        document["category"] = None if concept is None else concept.code
    parts = [
        (f"DocumentReference.content[{number}].attachment", attachment)
        for number, attachment in enumerate(attachments)
    ]
    document["parts"] = _with_text(_read_attachments(parts, resource), resource, "content")
    return [document]


def translate_diagnostic_report(resource: Json) -> list[DocumentRow] | IgnoredResource:
    """Return the document of a DiagnosticReport, if it has any text of its own."""
    conclusion = resource.get("conclusion")
    forms = read_objects(resource.get("presentedForm"))
    parts = [
        (f"DiagnosticReport.presentedForm[{number}]", form) for number, form in enumerate(forms)
    ]
    texts: list[PartRow] = []
    if type(conclusion) is str and conclusion.strip():
        texts.append(read_plain(conclusion, "DiagnosticReport.conclusion"))
    texts += _read_attachments(parts, resource)
    texts = _with_text(texts, resource, "presentedForm")
    if not forms and not has_text(texts):
        return IgnoredResource("DiagnosticReport")
    period, _ = read_period(resource, "effectivePeriod", "DiagnosticReport")
    document = _begin(
        resource,
        _first_date(
            _read_when(resource, "effectiveDateTime"),
            When(*period),
            _read_when(resource, "issued"),
        ),
        type_element="code",
        title=_first_text(*(form.get("title") for form in forms)),
        authors=[
            *read_objects(resource.get("resultsInterpreter")),
            *read_objects(resource.get("performer")),
        ],
        encounters=[
            *read_objects(resource.get("encounter")),
            *read_objects(resource.get("context")),
        ],
    )
    document["parts"] = texts
    return [document]


def translate_composition(resource: Json) -> list[DocumentRow]:
    """Return the document of a Composition: its sections with their titles, in order."""
    document = _begin(
        resource,
        _read_when(resource, "date"),
        title=_first_text(resource.get("title")),
        authors=read_objects(resource.get("author")),
        encounters=read_objects(resource.get("encounter")),
    )
    if document["category"] is None:
        concept = read_concept(resource.get("class"), LOINC, "Composition.class")
        document["category"] = None if concept is None else concept.code
    extraction = begin_extraction()
    sections = (
        part
        for section in _find_sections(resource.get("section"), "Composition.section", 1)
        for part in read_narrative(*section, extraction)
    )
    document["parts"] = _with_text(
        bound_parts(sections, "Composition.section"), resource, "section"
    )
    return [document]


def translate_binary(resource: Json) -> BinaryRow:
    """Return the text of a Binary, for the documents of the same import that refer to it."""
    text = read_binary(resource, begin_extraction())
    return {
        "source_id": read_id(resource),
        "pages": list(text.pages),
        "is_paged": text.is_paged,
        "problem": text.problem,
        "entered_in_error": False,
    }


def _begin(
    resource: Json,
    when: When,
    *,
    title: str | None,
    authors: Sequence[Json],
    encounters: Sequence[Json],
    type_element: str = "type",
) -> DocumentRow:
    """Return a document without its text."""
    source_type = resource["resourceType"]
    concept = read_concept(resource.get(type_element), LOINC, f"{source_type}.{type_element}")
    system, code, display, others = concept or (None, None, None, None)
    meta = read_object(resource.get("meta"))
    status = read_code(resource.get("status"), f"{source_type}.status")
    return {
        "patient_source_id": read_reference(
            resource.get("subject"), "Patient", f"{source_type}.subject"
        ),
        "source_type": source_type,
        "source_id": read_id(resource),
        "base_url": "",
        "type_system": system,
        "type_code": code,
        "type_display": display,
        "other_codings": others,
        "category": read_category(resource, f"{source_type}.category"),
        "title": title or display,
        "author": _read_authors(resource, authors),
        "at": when.at,
        "at_precision": when.precision,
        "at_offset": when.offset,
        "dated_on": _local_day(when),
        "status": status,
        "document_status": None,
        "encounter_source_id": _find_encounter(encounters),
        "entered_in_error": status == ENTERED_IN_ERROR,
        "version_at": _find_version_time(meta),
        "version_number": _find_version_number(meta),
        "parts": [],
    }


def _read_attachments(attachments: Sequence[tuple[str, Json]], resource: Json) -> list[PartRow]:
    extraction = begin_extraction()
    parts = (
        part
        for element, attachment in attachments
        for part in read_attachment(attachment, element, resource, extraction)
    )
    return bound_parts(parts, f"{resource['resourceType']} attachment")


def _with_text(parts: list[PartRow], resource: Json, element: str) -> list[PartRow]:
    """Return the parts of a document, with its narrative if they have no text."""
    if has_text(parts):
        return parts
    kind = resource["resourceType"]
    narrative = read_narrative(None, resource.get("text"), f"{kind}.text", begin_extraction())
    return [*parts, *narrative] or [no_part(f"{kind}.{element}")]


def _find_sections(
    value: object, where: str, level: int
) -> Iterator[tuple[str | None, object, str]]:
    """Yield title, narrative and element of each section, a section before those in it."""
    for number, section in enumerate(read_objects(value)):
        element = f"{where}[{number}]"
        concept = read_concept(section.get("code"), LOINC, f"{element}.code")
        title = _first_text(section.get("title"), concept.display if concept else None)
        yield title, section.get("text"), f"{element}.text"
        if level < MOST_SECTION_LEVELS:
            yield from _find_sections(section.get("section"), f"{element}.section", level + 1)


def _read_when(holder: Json, element: str, where: str | None = None) -> When:
    """Return a date with its precision, and the UTC offset that the source wrote."""
    at, precision = read_date(holder, element, where or str(holder.get("resourceType")))
    offset: int | None = None
    if precision == "instant":
        text = str(holder[element]).strip()
        match = _OFFSET.search(text)
        if match is not None:
            sign, hours, minutes = match.groups()
            offset = (int(hours) * 60 + int(minutes)) * (-1 if sign == "-" else 1)
        elif text[-1:] in "Zz":
            offset = _UTC_OFFSET
    return When(at, precision, offset)


def _first_date(*dates: When) -> When:
    return next((date for date in dates if date.at is not None), When())


def _local_day(when: When) -> str | None:
    """Return the day of a date in its source's own time."""
    if when.at is None:
        return None
    at = dt.datetime.fromisoformat(when.at)
    try:
        local = at + dt.timedelta(minutes=when.offset or 0)
    except OverflowError:
        local = at
    return local.date().isoformat()


def _find_version_time(meta: Json) -> str | None:
    updated, precision = read_date(meta, "lastUpdated", "meta")
    return updated if precision == "instant" else None


def _find_version_number(meta: Json) -> int | None:
    version = meta.get("versionId")
    if type(version) is not str or not _VERSION_NUMBER.fullmatch(version):
        return None
    return int(version)


def _find_encounter(encounters: Sequence[Json]) -> str | None:
    found = (find_reference(each, "Encounter", "encounter") for each in encounters)
    return next((each for each in found if each is not None), None)


def _read_authors(resource: Json, references: Sequence[Json]) -> str | None:
    """Return the names of authors: as displayed, of contained resources, or the references."""
    contained = {each.get("id"): each for each in read_objects(resource.get("contained"))}
    names: list[str] = []
    for reference in references:
        target = reference.get("reference")
        name = read_text(reference.get("display"), LONGEST_AUTHOR)
        if name is None and type(target) is str and target.startswith("#"):
            name = _read_name(contained.get(target[1:]))
        name = name or read_text(target, LONGEST_AUTHOR)
        if name and name not in names:
            names.append(name)
    return "; ".join(names)[:LONGEST_AUTHOR] or None


def _read_name(resource: Json | None) -> str | None:
    """Return the name of a contained Practitioner, Organization or other author."""
    value = (resource or {}).get("name")
    if type(value) is str:
        return read_text(value, LONGEST_AUTHOR)
    for name in read_objects(value):
        parts = [
            *_texts(name.get("prefix")),
            *_texts(name.get("given")),
            *_texts(name.get("family")),
        ]
        full = read_text(name.get("text"), LONGEST_AUTHOR) or " ".join(parts)
        if full:
            return full[:LONGEST_AUTHOR]
    return None


def _texts(value: object) -> list[str]:
    values = value if type(value) is list else [value]
    return [text for each in values if (text := read_text(each, LONGEST_AUTHOR))]


def _first_text(*values: object) -> str | None:
    texts = (read_text(value, LONGEST_TITLE) for value in values)
    return next((text for text in texts if text), None)
