"""The terms of custom fields."""

from enum import StrEnum


class CustomResource(StrEnum):
    """Whose rows have the field."""

    PATIENT = "patient"
    STUDY = "study"
    SITE = "site"


class CustomType(StrEnum):
    """What a field holds. It never changes."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    CHOICE = "choice"
    """One of the field's `choices`."""


class CustomPhi(StrEnum):
    """Who sees the values of a field, in the terms of the PHI marks."""

    IDENTIFIER = "identifier"
    """Only members with the PHI level `full`."""

    NONE = "none"
    """All members who see the row."""
