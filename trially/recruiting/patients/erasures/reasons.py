"""Why a person is erased. It is chosen from a list: a free text could name the person."""

from enum import StrEnum


class ErasureReason(StrEnum):
    """Why a person is erased."""

    REQUEST = "request"
    """The person has asked for it (GDPR 17)."""
    CONSENT_WITHDRAWN = "consent_withdrawn"
    NO_LONGER_NEEDED = "no_longer_needed"
    UNLAWFUL = "unlawful"
    """The data were processed without a legal basis."""
    LEGAL_OBLIGATION = "legal_obligation"
    REAPPLIED = "reapplied"
    """A restore brought the person back, and the erasure was applied again."""
    DELETED = "deleted"
    """A member has deleted the patient, and has given no reason."""


GIVEN_BY_TRIALLY = (ErasureReason.REAPPLIED, ErasureReason.DELETED)
"""Reasons that nobody chooses."""
