"""Read coded concepts, and bring the URLs of their code systems to one form."""

import re
from functools import lru_cache
from typing import NamedTuple, cast

from trially.plain_text import is_plain
from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.rows import (
    LONGEST_CODE,
    LONGEST_DISPLAY,
    LONGEST_SYSTEM,
    CodingRow,
    ConceptRow,
)
from trially.recruiting.imports.fhir.values import (
    Json,
    is_clean,
    read_code,
    read_objects,
    read_text,
    unlisted,
)
from trially.value_sets.statuses import CLINICAL_STATUSES, STATUSES, VERIFICATION_STATUSES

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
CVX = "http://hl7.org/fhir/sid/cvx"
UCUM = "http://unitsofmeasure.org"
UNKNOWN = "unknown"

_ICD9CM = "http://hl7.org/fhir/sid/icd-9-cm"
_OIDS = {
    "2.16.840.1.113883.6.96": SNOMED,
    "2.16.840.1.113883.6.1": LOINC,
    "2.16.840.1.113883.6.88": RXNORM,
    "2.16.840.1.113883.6.90": ICD10CM,
    "2.16.840.1.113883.6.3": "http://hl7.org/fhir/sid/icd-10",
    "2.16.840.1.113883.6.4": "http://www.cms.gov/Medicare/Coding/ICD10",
    "2.16.840.1.113883.6.103": _ICD9CM,
    "2.16.840.1.113883.6.104": _ICD9CM,
    "2.16.840.1.113883.12.292": CVX,
    "2.16.840.1.113883.6.59": CVX,
    "2.16.840.1.113883.6.69": "http://hl7.org/fhir/sid/ndc",
    "2.16.840.1.113883.6.12": "http://www.ama-assn.org/go/cpt",
    "2.16.840.1.113883.6.8": UCUM,
}
# Other spellings that sources use: lower case, without scheme, "www." and final slash.
_SPELLINGS = {
    "snomed.info/sct": SNOMED,
    "snomed.info/id": SNOMED,
    "loinc.org": LOINC,
    "nlm.nih.gov/research/umls/rxnorm": RXNORM,
    "hl7.org/fhir/sid/icd-10-cm": ICD10CM,
    "hl7.org/fhir/sid/cvx": CVX,
    "hl7.org/fhir/sid/icd-9-cm": _ICD9CM,
    "unitsofmeasure.org": UCUM,
}
_SCHEME = re.compile(r"https?://(?:www\.)?", re.IGNORECASE)


MOST_CODINGS = 100


class Coded(NamedTuple):
    """A concept: the preferred coding, all other codings, and its text if no display equals it."""

    system: str | None
    code: str | None
    display: str | None
    others: list[CodingRow] | None
    text: str | None = None


def read_system(value: object, where: str, reading: Reading) -> str | None:
    """Return a code system's canonical URL, without a version."""
    system = read_code(value, where, reading, LONGEST_SYSTEM)
    return None if system is None else canonical(system)


def read_concept(
    value: object, preferred: str | None, where: str, reading: Reading
) -> Coded | None:
    """Return a CodeableConcept with its coding of the preferred system, or else the first one.

    Of a concept without codes, the text is the display. None means that the concept is empty.
    """
    if value is None:
        return None
    if type(value) is not dict:
        value = unlisted(value)
    if type(value) is not dict:
        reading.lose(where, "is not an object")
        return None
    coding = only_coding(value)
    if coding is not None:
        system, code, display = coding.get("system"), coding.get("code"), coding.get("display")
        text = value.get("text")
        if (
            type(code) is str
            and (system is None or type(system) is str)
            and (display is None or type(display) is str)
            and (text is None or type(text) is str)
        ):
            common = _read_common(system, code, display, text)
            if common is not None:
                return common
    return _read_codings(value, preferred, where, reading)


def only_coding(concept: Json) -> Json | None:
    """Return the coding of a CodeableConcept with one, None for any other concept."""
    codings = concept.get("coding")
    if type(codings) is list and len(codings) == 1 and type(codings[0]) is dict:
        return codings[0]
    return None


@lru_cache(maxsize=8_192)
def _read_common(
    system: str | None, code: str, display: str | None, text: str | None
) -> Coded | None:
    """Return a concept with one coding, or None if a part cannot be stored as it is."""
    if not is_clean(code, LONGEST_CODE) or (system and len(system) > LONGEST_SYSTEM):
        return None
    if system is not None and not is_plain(system):
        return None
    words = read_text(text, LONGEST_DISPLAY)
    shown = read_text(display, LONGEST_DISPLAY) or words
    other = words if words != shown else None
    return Coded((system and canonical(system)) or None, code, shown, None, other)


def _read_codings(value: Json, preferred: str | None, where: str, reading: Reading) -> Coded | None:
    """Return a concept with any number of codings, of which some may be unusable."""
    text = read_text(value.get("text"), LONGEST_DISPLAY)
    rows: list[CodingRow] = []
    codings = read_objects(value.get("coding"))
    if len(codings) > MOST_CODINGS:
        reading.lose(f"{where}.coding", f"has more than {MOST_CODINGS} items")
        codings = codings[:MOST_CODINGS]
    named = text
    for coding in codings:
        display = read_text(coding.get("display"), LONGEST_DISPLAY)
        code: str | None = coding.get("code")
        if not is_clean(code, LONGEST_CODE):
            code = read_code(code, f"{where}.coding.code", reading)
        if code is None:
            named = named or display
            continue
        system = coding.get("system")
        if type(system) is str and len(system) <= LONGEST_SYSTEM and is_plain(system):
            system = canonical(system) or None
        else:
            system = read_system(system, f"{where}.coding.system", reading)
        rows.append({"system": system, "code": code, "display": display})
    if not rows:
        return Coded(None, None, named, None) if named else None
    chosen, others = rows[0], None
    if len(rows) > 1:
        chosen = next((row for row in rows if row["system"] == preferred), chosen)
        others = _without(chosen, rows)
    shown = chosen["display"] or named
    return Coded(chosen["system"], chosen["code"], shown, others, text if text != shown else None)


def _without(chosen: CodingRow, rows: list[CodingRow]) -> list[CodingRow] | None:
    """Return all other codings, without duplicates."""
    others: dict[tuple[str | None, str], CodingRow] = {}
    for row in rows:
        others.setdefault((row["system"], row["code"]), row)
    del others[chosen["system"], chosen["code"]]
    return list(others.values()) or None


def describe_concept(value: object, where: str, reading: Reading) -> ConceptRow | None:
    """Return a concept of a record's details: its code, and all other codings and texts."""
    concept = read_concept(value, SNOMED, where, reading)
    if concept is None:
        return None
    row: ConceptRow = {
        "system": concept.system,
        "code": concept.code,
        "display": concept.display,
        "text": concept.text,
    }
    if concept.others:
        row["other_codings"] = concept.others
    return row


def read_status(value: object, where: str, reading: Reading) -> str | None:
    """Return the code of a status: a CodeableConcept or, before FHIR R4, a plain code.

    A status that is there and cannot be read is `unknown`: it may have said the opposite.
    """
    if value is None:
        return None
    value = unlisted(value)
    if type(value) is not dict:
        return normal_status(read_code(value, where, reading) or UNKNOWN)
    codings = [
        coding for coding in read_objects(value.get("coding")) if coding.get("code") is not None
    ]
    for coding in codings:
        system = coding.get("system")
        if type(system) is str and "hl7.org" in system:
            return normal_status(
                read_code(coding["code"], f"{where}.coding.code", reading) or UNKNOWN
            )
    if codings:
        return normal_status(
            read_code(codings[0]["code"], f"{where}.coding.code", reading) or UNKNOWN
        )
    return _read_worded_status(value, where, reading)


@lru_cache(maxsize=1_024)
def normal_status(status: str) -> str:
    """Return a status of FHIR in FHIR's spelling, and any other one as it is: `Not done`."""
    word = _BETWEEN_WORDS.sub("-", status.lower())
    return word if word in _KNOWN_STATUSES else status


_KNOWN_STATUSES = STATUSES | CLINICAL_STATUSES | VERIFICATION_STATUSES
_BETWEEN_WORDS = re.compile(r"[ _]+")


def _read_worded_status(concept: Json, where: str, reading: Reading) -> str | None:
    """Return the code of a status that only its text gives, if the text is such a code."""
    text = read_text(concept.get("text"), LONGEST_CODE)
    if text is None:
        return None if not concept else UNKNOWN
    word = normal_status(text)
    if word in _KNOWN_STATUSES:
        return word
    reading.lose(where, "has no code")
    return UNKNOWN


def read_category(resource: Json, where: str, reading: Reading) -> str | None:
    """Return the code of the first category that has one."""
    categories = resource.get("category")
    if type(categories) is str:
        return read_code(categories, where, reading)
    if type(categories) is list and len(categories) == 1 and type(categories[0]) is dict:
        coding = only_coding(categories[0])
        if coding is not None and is_clean(coding.get("code"), LONGEST_CODE):
            return cast("str", coding["code"])
    for category in read_objects(categories):
        for coding in read_objects(category.get("coding")):
            code = coding.get("code")
            if is_clean(code, LONGEST_CODE):
                return cast("str", code)
            code = read_code(code, where, reading)
            if code is not None:
                return code
    return None


@lru_cache(maxsize=4_096)
def canonical(system: str) -> str:
    """Return the canonical URL of a code system in another spelling."""
    system = system.strip()
    bare = system.partition("|")[0].rstrip("/")
    oid = bare.lower().removeprefix("urn:oid:")
    if oid in _OIDS:
        return _OIDS[oid]
    spelling = _SCHEME.sub("", bare, count=1).lower()
    if spelling.startswith("snomed.info/sct/"):  # a SNOMED edition or version
        return SNOMED
    return _SPELLINGS.get(spelling, bare or system)
