"""Read the identifiers of a Patient, and the record that replaces it."""

import re
from collections.abc import Iterable
from contextlib import suppress

from trially.database.model import length_of
from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.rows import (
    LONGEST_CODE,
    LONGEST_NAME,
    IdentifierRow,
    ResourceError,
)
from trially.recruiting.imports.fhir.values import (
    Json,
    as_text,
    read_code,
    read_object,
    read_objects,
    read_reference,
    read_text,
)
from trially.recruiting.patients.identifiers.model import PatientIdentifier
from trially.recruiting.patients.model import Patient
from trially.recruiting.sources.server_urls import base_of

MOST_IDENTIFIERS = 100
LONGEST_IDENTIFIER_SYSTEM = length_of(PatientIdentifier.system)
LONGEST_VALUE = length_of(PatientIdentifier.value)
LONGEST_MRN = length_of(Patient.mrn)

# HL7 v2 table 0203: types of numbers that are not issued by a hospital or practice.
_FOREIGN_NUMBERS = frozenset(
    "SS SB DL PPN TAX NI NPI MB MC MCN MCR MCD MA HC WC WCN SN PEN JHN NH CZ DR BC".split()  # noqa: SIM905
)
_FOREIGN_SYSTEMS = re.compile(
    r"us-ssn|us-mbi|us-medicare|passport|2\.16\.840\.1\.113883\.4\.(1|3)\b"
)
_RECORD_NUMBER_TEXT = re.compile(r"\s*(?:mrn?|medical record(?: number)?)\s*", re.IGNORECASE)


def read_identifiers(resource: Json, reading: Reading) -> list[IdentifierRow]:
    """Return the identifiers that have a value, at most `MOST_IDENTIFIERS`.

    A value that is too long to store is left out, because a cut one would be another identifier.
    """
    rows: list[IdentifierRow] = []
    for identifier in read_objects(resource.get("identifier"))[:MOST_IDENTIFIERS]:
        where, value = "Patient.identifier.value", as_text(identifier.get("value"))
        value = read_code(value, where, reading, LONGEST_VALUE)
        if value is None:
            continue
        mrn_rank = _rank_as_mrn(identifier)
        if mrn_rank is not None and len(value) > LONGEST_MRN:
            reading.lose(where, f"is longer than {LONGEST_MRN} characters")
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
                "mrn_rank": mrn_rank,
            }
        )
    return rows


def choose_number(
    identifiers: Iterable[IdentifierRow], system: str | None = None
) -> IdentifierRow | None:
    """Return the identifier that is shown as the MRN; None if there is none.

    It is one of the configured system, if there is any, and else the one that most likely is a
    medical record number. `RECHOOSE` of `patients/chosen_mrns.py` says the same in SQL.
    """
    usable = [each for each in identifiers if len(each["value"]) <= LONGEST_MRN]
    of_system = [each for each in usable if system is not None and each["system"] == system]
    if of_system:
        return min(of_system, key=lambda each: each["use"] == "old" or bool(each["period_end"]))
    ranked = [(rank, each) for each in usable if (rank := each["mrn_rank"]) is not None]
    return min(ranked, key=lambda pair: pair[0])[1] if ranked else None


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


def _rank_as_mrn(identifier: Json) -> int | None:
    """Return how likely an identifier is the MRN: 0 is the best. None if it is another number."""
    is_past = (
        identifier.get("use") == "old"
        or read_object(identifier.get("period")).get("end") is not None
    )
    if _is_record_number(identifier):
        return 2 * is_past + (identifier.get("use") != "official")
    return None if _is_foreign_number(identifier) else 4 + is_past


def _type_codes(identifier: Json) -> set[str]:
    codings = read_objects(read_object(identifier.get("type")).get("coding"))
    return {code for coding in codings if (code := read_text(coding.get("code"), LONGEST_CODE))}


def _is_record_number(identifier: Json) -> bool:
    codes = _type_codes(identifier)
    if codes:
        return "MR" in codes
    text = read_text(read_object(identifier.get("type")).get("text"), LONGEST_NAME)
    return bool(text and _RECORD_NUMBER_TEXT.fullmatch(text))


def _is_foreign_number(identifier: Json) -> bool:
    system = read_text(identifier.get("system"), LONGEST_NAME) or ""
    return bool(_type_codes(identifier) & _FOREIGN_NUMBERS or _FOREIGN_SYSTEMS.search(system))
