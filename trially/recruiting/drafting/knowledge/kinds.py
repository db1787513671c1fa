"""Kinds of proposals, by which their quality is measured."""

from enum import StrEnum


class Kind(StrEnum):
    """What a proposal is about."""

    AGE = "age"
    SEX = "sex"
    BMI = "bmi"
    BLOOD_PRESSURE = "blood_pressure"
    HBA1C = "hba1c"
    EGFR = "egfr"
    LABORATORY = "laboratory"
    VITAL_SIGN = "vital_sign"
    SCORE = "score"
    CONDITION = "condition"
    MEDICATION = "medication"
    PROCEDURE = "procedure"
    ALLERGY = "allergy"
    PREGNANCY = "pregnancy"
    ENCOUNTER = "encounter"
    ENROLLMENT = "enrollment"
    DISTANCE = "distance"
