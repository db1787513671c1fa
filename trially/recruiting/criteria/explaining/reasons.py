"""Reasons of results as English sentences."""

from trially.recruiting.criteria.judgements import Reason

REASONS: dict[Reason, str] = {
    Reason.NO_RECORD: "There is no such record.",
    Reason.NO_COVERAGE: "There is no such record, and no recent record of any kind.",
    Reason.OUT_OF_WINDOW: "The record that counts is outside of the time that is asked for.",
    Reason.NO_FIT: "The records have another time, status or kind than is asked for.",
    Reason.TOO_FEW: "There are records on fewer different days than are asked for.",
    Reason.NO_VALUE: "The record has no value of the kind that is asked for.",
    Reason.UNKNOWN_UNIT: "The unit of the value is missing, or cannot be converted.",
    Reason.NO_REFERENCE_RANGE: "No reference range is known for the value.",
    Reason.COMPARATOR: "The value is only known to be less or more than a number.",
    Reason.PARTIAL_DATE: "The date is not known well enough.",
    Reason.UNCONFIRMED: "The diagnosis is not confirmed.",
    Reason.UNKNOWN_STATUS: "The records do not say whether it goes on.",
    Reason.UNKNOWN_CLASS: "The record does not say how the patient was seen.",
    Reason.TWO_VALUES: "Records of the same time have values that lead to different results.",
    Reason.REFUTED_ELSEWHERE: "One record affirms it, and another one refutes it.",
    Reason.NO_BIRTH_DATE: "The birth date is not known.",
    Reason.NO_SEX: "The administrative sex is not known.",
    Reason.UNKNOWN_DEATH_DATE: "It is not known whether the patient had died by then.",
    Reason.NO_PLACE: "The home of the patient or the sites of the study are not known.",
    Reason.ENROLLMENTS_UNKNOWN: "Participation in other studies is not known.",
    Reason.FOR_A_PERSON: "A person must answer this question.",
    Reason.NOT_IN_LANGUAGE: "The statement cannot be evaluated. A person must read it.",
}
"""A sentence for each reason."""
