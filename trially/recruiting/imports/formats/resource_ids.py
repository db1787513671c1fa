"""Ids of the resources that other formats are translated to.

An id depends on the content only, so that repeating an import changes nothing.
"""

import hashlib
from collections.abc import Iterable

import orjson

from trially.recruiting.imports.fhir.values import is_id

DIGEST_DIGITS = 40


def patient_id_of(system: str | None, number: str) -> str:
    """Return the id of the patient with a record number.

    A number without a system is the id itself, if FHIR allows it: then other files of the source
    may refer to the patient by that number. All formats use this rule.
    """
    if system is None and is_id(number):
        return number
    return f"patient-{digest_of([system, number])}"


def fact_id_of(kind: str, content: Iterable[str | None]) -> str:
    """Return the id of a fact with this content. `kind` is a word of lower-case letters."""
    return f"{kind}-{digest_of([kind, *content])}"


def digest_of(content: list[str | None]) -> str:
    """Return a digest that fits into an id, together with a word."""
    return hashlib.sha256(orjson.dumps(content)).hexdigest()[:DIGEST_DIGITS]
