"""Public code systems, and whether a text is a code of one of them, by its form.

A form is as strict as the system allows: codes with check digits are checked. No terminology is
looked into, so a code of the right form may be one that its system does not have.
"""

import re
from collections.abc import Callable, Mapping

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"

_VERHOEFF_PRODUCT = [
    "0123456789",
    "1234067895",
    "2340178956",
    "3401289567",
    "4012395678",
    "5987604321",
    "6598710432",
    "7659821043",
    "8765932104",
    "9876543210",
]
_VERHOEFF_ORDER = [
    "0123456789",
    "1576283094",
    "5803796142",
    "8916043527",
    "9453126870",
    "4286573901",
    "2793806415",
    "7046913258",
]
_SNOMED = re.compile(r"[1-9]\d{5,17}", re.ASCII)
_LOINC = re.compile(r"(\d{1,7})-(\d)", re.ASCII)
_LOINC_PART = re.compile(r"L[ALPG]\d{1,8}-\d", re.ASCII)


def is_snomed(code: str) -> bool:
    """Return whether a text is the id of a SNOMED CT concept: its partition and check digit fit."""
    return bool(_SNOMED.fullmatch(code)) and code[-3:-1] in ("00", "10") and _is_verhoeff(code)


def is_loinc(code: str) -> bool:
    """Return whether a text is a LOINC code whose check digit fits, or the code of a part."""
    match = _LOINC.fullmatch(code)
    if match is None:
        return _LOINC_PART.fullmatch(code) is not None
    digits, check = match.groups()
    doubled = [int(digit) * (2 - index % 2) for index, digit in enumerate(reversed(digits))]
    total = sum(value // 10 + value % 10 for value in doubled)
    return -total % 10 == int(check)


def _is_verhoeff(digits: str) -> bool:
    check = 0
    for index, digit in enumerate(reversed(digits)):
        permuted = int(_VERHOEFF_ORDER[index % 8][int(digit)])
        check = int(_VERHOEFF_PRODUCT[check][permuted])
    return check == 0


def _form(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern, re.ASCII)
    return lambda code: compiled.fullmatch(code) is not None


_ICD10 = _form(r"[A-Z]\d[0-9A-Z](?:\.[0-9A-Z]{1,4})?")
# The release of 2026 has the first categories whose second character is a letter.
_ICD10CM = _form(r"(?:[A-Z]\d[0-9A-Z]|QA\d)(?:\.[0-9A-Z]{1,4})?")
_ICD9 = _form(r"(?:\d{3}|V\d\d|E\d{3})(?:\.\d{1,2})?|\d\d\.\d{1,2}")
_ANSWERS = "Y N UNK NI NASK ASKU OTH NA NAV MSK NULL unknown asked-unknown error"
_WORDS = frozenset(_ANSWERS.split())

FORMS: Mapping[str, Callable[[str], bool]] = {
    SNOMED: is_snomed,
    LOINC: is_loinc,
    "http://www.nlm.nih.gov/research/umls/rxnorm": _form(r"[1-9]\d{0,7}"),
    "http://hl7.org/fhir/sid/icd-10-cm": _ICD10CM,
    "http://hl7.org/fhir/sid/icd-10": _ICD10,
    "http://www.cms.gov/Medicare/Coding/ICD10": _form(
        r"[0-9B-DF-HX](?=(?:\D*\d){2})[0-9A-HJ-NP-Z]{6}"
    ),
    "http://hl7.org/fhir/sid/icd-9-cm": _ICD9,
    "http://hl7.org/fhir/sid/cvx": _form(r"\d{1,3}"),
    "http://hl7.org/fhir/sid/ndc": _form(r"\d{4,5}-\d{3,4}-\d{1,2}|\d{11}"),
    "http://www.ama-assn.org/go/cpt": _form(r"\d{4}[0-9A-Z]"),
    "http://www.whocc.no/atc": _form(r"[A-Z]\d\d(?:[A-Z]{1,2}(?:\d\d)?)?"),
    "http://www.ada.org/cdt": _form(r"D\d{4}"),
    "http://terminology.hl7.org/CodeSystem/v2-0136": _WORDS.__contains__,
    "http://terminology.hl7.org/CodeSystem/v2-0532": _WORDS.__contains__,
    "http://terminology.hl7.org/CodeSystem/v3-NullFlavor": _WORDS.__contains__,
    "http://terminology.hl7.org/CodeSystem/data-absent-reason": _WORDS.__contains__,
}
"""By the canonical URL of a system: whether a text is one of its codes."""


def is_system(url: str) -> bool:
    """Return whether a URL is that of a public code system."""
    return url in FORMS


def is_code(code: str, system: str | None) -> bool:
    """Return whether a text has the form of a code of a system.

    A code without a system must be a truth value, or have a check digit that fits.
    """
    if system is None:
        return code in ("true", "false") or is_loinc(code) or is_snomed(code)
    return system in FORMS and FORMS[system](code)
