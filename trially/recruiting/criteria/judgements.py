"""Results of leaves: what is true of a patient, why, and until when."""

import datetime as dt
from enum import StrEnum
from typing import NamedTuple

from trially.recruiting.criteria.days import NEVER
from trially.recruiting.criteria.rows import Row


class Outcome(StrEnum):
    """The result of a leaf, a group or a criterion."""

    MET = "met"
    NOT_MET = "not_met"
    UNKNOWN = "unknown"
    CONFLICT = "conflict"
    """Unknown, because sources contradict each other. A person must look at the records."""
    UNSUPPORTED = "unsupported"
    """Unknown for all patients, because the language cannot say the statement."""
    NOT_APPLICABLE = "not_applicable"
    """The criterion is not for this patient, and counts as satisfied."""


class Reason(StrEnum):
    """Why a result is not known, or rests on no record."""

    NO_RECORD = "no_record"
    """There is no record. The policy of the leaf says what this means."""
    NO_COVERAGE = "no_coverage"
    """There is no record, and no recent record of any kind."""
    OUT_OF_WINDOW = "out_of_window"
    """The record that counts is not in the window."""
    NO_VALUE = "no_value"
    """The record has no value of the kind that is asked for."""
    UNKNOWN_UNIT = "unknown_unit"
    """The unit is missing, or cannot be converted into that of the criterion."""
    NO_REFERENCE_RANGE = "no_reference_range"
    COMPARATOR = "comparator"
    """The value is only known to be less or more than a number."""
    PARTIAL_DATE = "partial_date"
    """The date is known too roughly, or not at all."""
    NO_FIT = "no_fit"
    """There are records, and each of them is outside of the window or has another status."""
    TOO_FEW = "too_few"
    """There are records on fewer days than are asked for."""
    UNCONFIRMED = "unconfirmed"
    """The diagnosis is provisional or one of several."""
    UNKNOWN_STATUS = "unknown_status"
    """The records do not say whether it goes on."""
    TWO_VALUES = "two_values"
    """Records of the same time have values that lead to different results."""
    REFUTED_ELSEWHERE = "refuted_elsewhere"
    """One record affirms it, and another that is not older refutes it."""
    UNKNOWN_CLASS = "unknown_class"
    NO_BIRTH_DATE = "no_birth_date"
    NO_SEX = "no_sex"
    UNKNOWN_DEATH_DATE = "unknown_death_date"
    NO_PLACE = "no_place"
    ENROLLMENTS_UNKNOWN = "enrollments_unknown"
    FOR_A_PERSON = "for_a_person"
    """A question that a person answers."""
    NOT_IN_LANGUAGE = "not_in_language"


class Judgement(NamedTuple):
    """The result of one leaf for one patient at one moment."""

    outcome: Outcome
    reason: Reason | None = None
    rows: tuple[Row, ...] = ()
    """The rows that decide it: the evidence."""
    until: dt.datetime = NEVER
    """The first instant at which time alone may change the result. `NEVER` if it cannot."""
