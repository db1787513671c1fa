"""Add vital signs: blood pressure, height, weight, smoking status, performance status."""

from trially.demo.chart import Chart, Visit
from trially.demo.codes import LOINC, Coding, snomed, to_concept, to_quantity
from trially.demo.illnesses import CANCERS
from trially.demo.measurements import Measure, write_measurement, write_observation

HEIGHT = Measure("8302-2", "Body height", "cm", 1, "vital-signs")
WEIGHT = Measure("29463-7", "Body weight", "kg", 1, "vital-signs")
BODY_MASS_INDEX = Measure("39156-5", "Body mass index (BMI) [Ratio]", "kg/m2", 1, "vital-signs")
SYSTOLIC = Measure("8480-6", "Systolic blood pressure", "mm[Hg]")
DIASTOLIC = Measure("8462-4", "Diastolic blood pressure", "mm[Hg]")
ECOG = Measure("89247-1", "ECOG Performance Status score", "{score}", 0, "survey")

BLOOD_PRESSURE = Coding(LOINC, "85354-9", "Blood pressure panel with all children optional")
SMOKING_STATUS = Coding(LOINC, "72166-2", "Tobacco smoking status")
SMOKING_ANSWERS = {
    "never": snomed("266919005", "Never smoked tobacco"),
    "former": snomed("8517006", "Ex-smoker"),
    "current": snomed("449868002", "Smokes tobacco daily"),
}


def write_vitals(chart: Chart) -> None:
    """Add the vital signs of all visits."""
    write_build(chart)
    for visit in chart.visits:
        write_blood_pressure(chart, visit)
    answer = to_concept(SMOKING_ANSWERS[chart.person.smoking])
    write_observation(
        chart, chart.visits[-1], SMOKING_STATUS, "social-history", valueCodeableConcept=answer
    )
    if chart.person.illnesses & CANCERS:
        write_performance(chart)


def write_build(chart: Chart) -> None:
    """Add one height, and weights whose body mass index is 30 or more only in obesity."""
    dice, person = chart.dice, chart.person
    height = dice.around(*((162, 6.5, 146, 182) if person.sex == "female" else (176, 7, 158, 199)))
    height = write_measurement(chart, chart.visits[0], HEIGHT, height)
    obese = "obesity" in person.illnesses
    index = dice.around(*((34.5, 3.2, 31.0, 46.0) if obese else (24.8, 2.6, 18.9, 28.9)))
    for visit in chart.visits[-3:]:
        kilograms = index * dice.between(0.985, 1.015) * (height / 100) ** 2
        weight = write_measurement(chart, visit, WEIGHT, kilograms)
        write_measurement(chart, visit, BODY_MASS_INDEX, weight / (height / 100) ** 2)


def write_blood_pressure(chart: Chart, visit: Visit) -> None:
    """Add systolic and diastolic pressure as one panel."""
    tense = "hypertension" in chart.person.illnesses
    systolic = chart.dice.around(*((139, 12, 108, 188) if tense else (119, 9, 94, 139)))
    diastolic = systolic * chart.dice.between(0.58, 0.68)
    write_observation(
        chart,
        visit,
        BLOOD_PRESSURE,
        "vital-signs",
        component=[
            {
                "code": to_concept(measure.coding),
                "valueQuantity": to_quantity(measure.round(pressure), measure.unit),
            }
            for measure, pressure in ((SYSTOLIC, systolic), (DIASTOLIC, diastolic))
        ],
    )


def write_performance(chart: Chart) -> None:
    """Add the ECOG performance status of a patient with cancer: 0 is fully active."""
    score = chart.dice.weigh(((0, 0.35), (1, 0.40), (2, 0.18), (3, 0.07)))
    for visit in chart.visits[-2:]:
        write_measurement(chart, visit, ECOG, score)
