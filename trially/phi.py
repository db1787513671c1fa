"""PHI marks: how much each field discloses about a patient, and what masking leaves of it.

Each field of a schema about patients carries a mark as its metadata, and so does each field that is
filled from a source's free text. The OpenAPI document shows the mark as `x-phi`. Members with the
PHI level `limited` see masked values (`http/masking.py`).
"""

from enum import StrEnum

MARK = "x-phi"
VALUE_SET = "x-phi-value-set"


class Phi(StrEnum):
    """How much a field discloses about a patient."""

    NONE = "none"
    """Nothing that identifies the patient. Never masked."""

    IDENTIFIER = "identifier"
    """The patient's identity, or free text that may disclose it. Masked to null."""

    DATE = "date"
    """A date in the patient's life that helps to identify the patient. Masked to January 1."""

    PRECISION = "precision"
    """The precision of such a date. Masked to `year`."""

    POSTAL_CODE = "postal_code"
    """Where the patient lives. Masked to the first three characters."""

    CODE = "code"
    """A code that a source chose. Masked to null unless it has the form of its code system."""

    VALUE_SET = "value_set"
    """Text that a source chose. Masked to null unless it is in the value set of the field."""

    MEMBERS = "members"
    """An object of custom fields. Those that the tenant calls identifiers are masked to null."""


PLAIN = {MARK: Phi.NONE}
IDENTIFIER = {MARK: Phi.IDENTIFIER}
DATE = {MARK: Phi.DATE}
PRECISION = {MARK: Phi.PRECISION}
POSTAL_CODE = {MARK: Phi.POSTAL_CODE}
CODE = {MARK: Phi.CODE}
MEMBERS = {MARK: Phi.MEMBERS}


def value_set(name: str) -> dict[str, str]:
    """Return the mark of a field whose values in a set of `trially.value_sets` are not masked."""
    return {MARK: Phi.VALUE_SET, VALUE_SET: name}
