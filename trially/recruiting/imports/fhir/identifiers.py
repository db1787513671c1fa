"""Read the identifiers of a Patient, and the record that replaces it."""

from contextlib import suppress

from trially.database.model import length_of
from trially.recruiting.imports.fhir.rows import IdentifierRow, ResourceError
from trially.recruiting.imports.fhir.values import (
    Json,
    read_object,
    read_objects,
    read_reference,
    read_text,
)
from trially.recruiting.imports.server_urls import base_of
from trially.recruiting.patients.model import PatientIdentifier

MOST_IDENTIFIERS = 100
LONGEST_IDENTIFIER_SYSTEM = length_of(PatientIdentifier.system)
LONGEST_VALUE = length_of(PatientIdentifier.value)


def read_identifiers(resource: Json) -> list[IdentifierRow]:
    """Return the identifiers that have a value, at most `MOST_IDENTIFIERS`.

    A value that is too long to store is left out, because a cut one would be another identifier.
    """
    rows: list[IdentifierRow] = []
    for identifier in read_objects(resource.get("identifier")):
        value = read_text(_as_text(identifier.get("value")), LONGEST_VALUE + 1)
        if value is None or len(value) > LONGEST_VALUE:
            continue
        codings = read_objects(read_object(identifier.get("type")).get("coding"))
        period = read_object(identifier.get("period"))
        rows.append(
            {
                "system": read_text(identifier.get("system"), LONGEST_IDENTIFIER_SYSTEM),
                "value": value,
                "type": next((code for each in codings if (code := _code(each))), None),
                "use": read_text(identifier.get("use"), length_of(PatientIdentifier.use)),
                "period_start": read_text(
                    period.get("start"), length_of(PatientIdentifier.period_start)
                ),
                "period_end": read_text(period.get("end"), length_of(PatientIdentifier.period_end)),
                "assigner": read_text(
                    read_object(identifier.get("assigner")).get("display"),
                    length_of(PatientIdentifier.assigner),
                ),
            }
        )
    return rows[:MOST_IDENTIFIERS]


def read_replacement(resource: Json) -> tuple[str, str] | None:
    """Return the base URL, empty if relative, and the id of the record that replaces a Patient.

    `Patient.link` of type `replaced-by` names it. A link that cannot be read counts as absent.
    """
    # The second name is that of DSTU2.
    return next(iter(_read_links(resource, "replaced-by", "replace")), None)


def read_replaced(resource: Json) -> list[tuple[str, str]] | None:
    """Return the base URL, empty if relative, and the id of each record that a Patient replaces."""
    return _read_links(resource, "replaces")[:MOST_IDENTIFIERS] or None


def _read_links(resource: Json, *types: str) -> list[tuple[str, str]]:
    """Return the records in the links of these types. Links that cannot be read are left out."""
    linked = []
    for link in read_objects(resource.get("link")):
        other = read_object(link.get("other"))
        if link.get("type") in types:
            with suppress(ResourceError):
                source_id = read_reference(other, "Patient", "Patient.link.other")
                linked.append((base_of(other.get("reference"), "Patient"), source_id))
    return linked


def _code(coding: Json) -> str | None:
    return read_text(coding.get("code"), length_of(PatientIdentifier.type))


def _as_text(value: object) -> object:
    """Return a number as the text that its JSON had, if it is an integer."""
    return str(value) if type(value) is int else value
