"""Vital signs and measures of the body."""

from trially.recruiting.criteria.units.analyte import Analyte, analyte, unit
from trially.recruiting.criteria.units.sources import (
    DEFINITION,
    MERCURY,
    POUND,
    TEMPERATURE,
    UCUM,
)


def _pressure(name: str, loinc: str) -> Analyte:
    return analyte(
        name,
        loinc,
        unit("kPa", "1", 1, DEFINITION),
        unit("mm[Hg]", "0.133322", 0, MERCURY),
    )


def _length(name: str, loinc: str) -> Analyte:
    return analyte(
        name,
        loinc,
        unit("cm", "1", 1, DEFINITION),
        unit("m", "100", 2, UCUM),
        unit("mm", "0.1", 0, UCUM),
        unit("[in_i]", "2.54", 1, POUND),
        unit("[ft_i]", "30.48", 2, POUND),
    )


def _rate(name: str, loinc: str) -> Analyte:
    return analyte(name, loinc, unit("/min", "1", 0, DEFINITION))


def _share(name: str, loinc: str) -> Analyte:
    return analyte(name, loinc, unit("%", "1", 0, DEFINITION))


BODIES: tuple[Analyte, ...] = (
    _pressure("systolic blood pressure", "8480-6 8459-0 8460-8 8461-6 76534-7"),
    _pressure("diastolic blood pressure", "8462-4 8453-3 8454-1 8455-8 76535-4"),
    _pressure("mean blood pressure", "8478-0"),
    analyte(
        "body temperature",
        "8310-5 8331-1 8332-9 76011-6 8328-7",
        unit("[degF]", "1", 1, DEFINITION),
        unit("Cel", "1.8", 1, TEMPERATURE, offset="32"),
        unit("K", "1.8", 2, TEMPERATURE, offset="-459.67"),
    ),
    analyte(
        "body weight",
        "29463-7 3141-9 3142-7 8341-0",
        unit("kg", "1", 1, DEFINITION),
        unit("g", "0.001", 0, UCUM),
        unit("[lb_av]", "0.45359237", 1, POUND),
        unit("[oz_av]", "0.028349523125", 0, POUND),
    ),
    _length("body height", "8302-2 3137-7 8306-3 3138-5"),
    _length("waist circumference", "8280-0 56086-2"),
    analyte(
        "BMI",
        "39156-5 89270-3",
        unit("kg/m2", "1", 1, DEFINITION),
    ),
    analyte(
        "body surface area",
        "3140-1 8277-6",
        unit("m2", "1", 2, DEFINITION),
    ),
    _rate("heart rate", "8867-4 68999-2"),
    _rate("respiratory rate", "9279-1"),
    _share("oxygen saturation", "2708-6 59408-5"),
    _share("left ventricular ejection fraction", "10230-1 18043-0 8806-2 8808-8"),
    _share("FEV1 to FVC ratio", "19926-5"),
)
