"""Values that columns of records may have."""

from enum import StrEnum

from trially.recruiting.patients import lifetimes


class RecordType(StrEnum):
    """The type of a record."""

    CONDITION = "condition"
    OBSERVATION = "observation"
    MEDICATION = "medication"
    PROCEDURE = "procedure"
    ALLERGY = "allergy"
    IMMUNIZATION = "immunization"
    ENCOUNTER = "encounter"


class DatePrecision(StrEnum):
    """The part of a date that its source knows."""

    YEAR = "year"
    MONTH = "month"
    DAY = "day"
    INSTANT = "instant"


class Comparator(StrEnum):
    """How a measured value relates to the true one, as in FHIR's Quantity."""

    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER_OR_EQUAL = ">="
    GREATER = ">"


class ListedWithdrawn(StrEnum):
    """Which records to list, of those that are in use and those that are withdrawn."""

    IN_USE = "false"
    WITHDRAWN = "true"
    ALL = "all"


class DateProblem(StrEnum):
    """Why the dates of a record cannot be right. They are shown, and not used for anything else."""

    ENDS_BEFORE_START = "ends_before_start"
    IN_FUTURE = "in_future"
    """Something that is said to have happened is dated in the future of the import."""

    TOO_EARLY = "too_early"
    BEFORE_BIRTH = lifetimes.BEFORE_BIRTH
    AFTER_DEATH = lifetimes.AFTER_DEATH


NEGATIVE_STATUSES = frozenset({"not-done", "not-taken", "not-given", "declined"})
"""Statuses that say that something was not done, taken or given."""

SOURCE_TYPES = frozenset(
    {
        *("AllergyIntolerance", "Condition", "Encounter", "Immunization", "Observation"),
        *("MedicationAdministration", "MedicationDispense", "MedicationOrder"),
        *("MedicationRequest", "MedicationStatement", "Procedure"),
    }
)
"""The types of resources that facts come from."""
