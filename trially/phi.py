"""PHI marks: how much each field discloses about a patient, and what masking leaves of it.

Each field of a schema about patients carries a mark as its metadata. The OpenAPI document shows the
mark as `x-phi`. Members with the PHI level `limited` see masked values (`http/masking.py`).
"""

from enum import StrEnum

MARK = "x-phi"


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

    CODE_NAME = "code_name"
    """The name of the item's `code`. An item without a code has free text here, masked to null."""


PLAIN = {MARK: Phi.NONE}
IDENTIFIER = {MARK: Phi.IDENTIFIER}
DATE = {MARK: Phi.DATE}
PRECISION = {MARK: Phi.PRECISION}
POSTAL_CODE = {MARK: Phi.POSTAL_CODE}
CODE_NAME = {MARK: Phi.CODE_NAME}
