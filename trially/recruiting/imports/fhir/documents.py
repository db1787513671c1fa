"""Translate DocumentReference, DiagnosticReport, Composition and Binary to documents."""

from collections.abc import Iterator, Sequence

from trially.recruiting.imports.fhir.codings import LOINC, read_category, read_concept
from trially.recruiting.imports.fhir.dates import Date, read_date, read_period
from trially.recruiting.imports.fhir.document_fields import (
    find_encounter,
    first_date,
    first_text,
    read_authors,
)
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
from trially.recruiting.imports.fhir.plausibility import WORDS, find_problem_of_event
from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.references import read_subject
from trially.recruiting.imports.fhir.rows import BinaryRow, DocumentRow, IgnoredResource, PartRow
from trially.recruiting.imports.fhir.values import (
    Json,
    read_code,
    read_id,
    read_object,
    read_objects,
)
from trially.recruiting.patients.choices import WithdrawalReason
from trially.recruiting.records.choices import DateProblem

MOST_SECTION_LEVELS = 10


def translate_document_reference(resource: Json, reading: Reading) -> list[DocumentRow]:
    """Return the document of a DocumentReference. Its contents are forms of one document."""
    context = read_object(resource.get("context"))
    contents = read_objects(resource.get("content"))
    attachments = [read_object(content.get("attachment")) for content in contents]
    encounters = [*read_objects(context.get("encounter")), *read_objects(resource.get("context"))]
    created = next((each for each in attachments if each.get("creation")), {})
    where = "DocumentReference"
    document = _begin(
        resource,
        # STU3 has `created`, and calls the date of the reference `indexed`.
        first_date(
            read_date(resource, "created", where, reading),
            read_date(resource, "date", where, reading),
            read_date(created, "creation", f"{where}.content.attachment", reading),
            *read_period(context, "period", f"{where}.context", reading),
            read_date(resource, "indexed", where, reading),
        ),
        reading,
        title=first_text(*(each.get("title") for each in attachments), resource.get("description")),
        authors=read_objects(resource.get("author")),
        encounters=encounters,
    )
    document["document_status"] = read_code(
        resource.get("docStatus"), "DocumentReference.docStatus", reading
    )
    if document["document_status"] == ENTERED_IN_ERROR:
        document["entered_in_error"] = True
    if document["category"] is None:
        concept = read_concept(resource.get("class"), LOINC, "DocumentReference.class", reading)
        document["category"] = None if concept is None else concept.code
    parts = [
        (f"DocumentReference.content[{number}].attachment", attachment)
        for number, attachment in enumerate(attachments)
    ]
    document["parts"] = _with_text(_read_attachments(parts, resource), resource, "content")
    return [document]


def translate_diagnostic_report(
    resource: Json, reading: Reading
) -> list[DocumentRow] | IgnoredResource:
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
        return IgnoredResource("DiagnosticReport", WithdrawalReason.NO_TEXT)
    document = _begin(
        resource,
        first_date(
            read_date(resource, "effectiveDateTime", "DiagnosticReport", reading),
            *read_period(resource, "effectivePeriod", "DiagnosticReport", reading),
            read_date(resource, "issued", "DiagnosticReport", reading),
        ),
        reading,
        type_element="code",
        title=first_text(*(form.get("title") for form in forms)),
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


def translate_composition(resource: Json, reading: Reading) -> list[DocumentRow]:
    """Return the document of a Composition: its sections with their titles, in order."""
    document = _begin(
        resource,
        read_date(resource, "date", "Composition", reading),
        reading,
        title=first_text(resource.get("title")),
        authors=read_objects(resource.get("author")),
        encounters=read_objects(resource.get("encounter")),
    )
    if document["category"] is None:
        concept = read_concept(resource.get("class"), LOINC, "Composition.class", reading)
        document["category"] = None if concept is None else concept.code
    extraction = begin_extraction()
    sections = (
        part
        for section in _find_sections(resource.get("section"), "Composition.section", 1, reading)
        for part in read_narrative(*section, extraction)
    )
    document["parts"] = _with_text(
        bound_parts(sections, "Composition.section"), resource, "section"
    )
    return [document]


def translate_binary(resource: Json, _reading: Reading) -> BinaryRow:
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
    when: Date,
    reading: Reading,
    *,
    title: str | None,
    authors: Sequence[Json],
    encounters: Sequence[Json],
    type_element: str = "type",
) -> DocumentRow:
    """Return a document without its text."""
    source_type = resource["resourceType"]
    concept = read_concept(
        resource.get(type_element), LOINC, f"{source_type}.{type_element}", reading
    )
    status = read_code(resource.get("status"), f"{source_type}.status", reading)
    return {
        "patient_source_id": read_subject(resource, "subject", f"{source_type}.subject"),
        "source_type": source_type,
        "source_id": read_id(resource),
        "type_system": concept and concept.system,
        "type_code": concept and concept.code,
        "type_display": concept and concept.display,
        "other_codings": concept and concept.others,
        "category": read_category(resource, f"{source_type}.category", reading),
        "title": title or (concept and concept.display),
        "author": read_authors(resource, authors),
        "at": when.at,
        "at_precision": when.precision,
        "at_offset": when.offset,
        "dated_on": when.day,
        "zone": when.zone,
        "date_problem": _find_date_problem(when, source_type, reading),
        "status": status,
        "document_status": None,
        "encounter_source_id": find_encounter(encounters),
        "entered_in_error": status == ENTERED_IN_ERROR,
        "parts": [],
    }


def _find_date_problem(when: Date, source_type: str, reading: Reading) -> DateProblem | None:
    """Return why a document's date cannot be right, which is a fault, or None."""
    problem = find_problem_of_event(when.at, reading.today)
    if problem is not None:
        reading.lose(f"{source_type}.date", WORDS[problem])
    return problem


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
    value: object, where: str, level: int, reading: Reading
) -> Iterator[tuple[str | None, object, str]]:
    """Yield title, narrative and element of each section, a section before those in it."""
    for number, section in enumerate(read_objects(value)):
        element = f"{where}[{number}]"
        concept = read_concept(section.get("code"), LOINC, f"{element}.code", reading)
        title = first_text(section.get("title"), concept.display if concept else None)
        yield title, section.get("text"), f"{element}.text"
        if level < MOST_SECTION_LEVELS:
            inner = f"{element}.section"
            yield from _find_sections(section.get("section"), inner, level + 1, reading)
