"""Add laboratory results that are consistent with the patient's illnesses and each other."""

from trially.demo.chart import Chart, Visit
from trially.demo.illnesses import CANCERS
from trially.demo.kidneys import creatinine_for, filtration_from
from trially.demo.measurements import Measure, write_measurement

HBA1C = Measure("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "%", 1)
HBA1C_IFCC = Measure(
    "59261-8", "Hemoglobin A1c/Hemoglobin.total in Blood by IFCC protocol", "mmol/mol"
)
GLUCOSE = Measure("2339-0", "Glucose [Mass/volume] in Blood", "mg/dL")
CREATININE = Measure("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "mg/dL", 2)
FILTRATION = Measure("33914-3", "Estimated Glomerular Filtration Rate", "mL/min/{1.73_m2}")
TOTAL_CHOLESTEROL = Measure("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma", "mg/dL")
HDL = Measure("2085-9", "Cholesterol in HDL [Mass/volume] in Serum or Plasma", "mg/dL")
LDL = Measure("18262-6", "Cholesterol in LDL [Mass/volume] by Direct assay", "mg/dL")
LDL_CALCULATED = Measure("13457-7", "Cholesterol in LDL [Mass/volume] by calculation", "mg/dL")
TRIGLYCERIDES = Measure("2571-8", "Triglyceride [Mass/volume] in Serum or Plasma", "mg/dL")
HEMOGLOBIN = Measure("718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL", 1)
PLATELETS = Measure("777-3", "Platelets [#/volume] in Blood by Automated count", "10*3/uL")
ALT = Measure("1742-6", "Alanine aminotransferase [Enzymatic activity/volume]", "U/L")
AST = Measure("1920-8", "Aspartate aminotransferase [Enzymatic activity/volume]", "U/L")
TSH = Measure("3016-3", "Thyrotropin [Units/volume] in Serum or Plasma", "m[IU]/L", 2)
PSA = Measure("2857-1", "Prostate specific Ag [Mass/volume] in Serum or Plasma", "ng/mL", 1)
CRP = Measure("1988-5", "C reactive protein [Mass/volume] in Serum or Plasma", "mg/L", 1)
EJECTION_FRACTION = Measure("10230-1", "Left ventricular Ejection fraction", "%", 0, "imaging")
FEV1_RATIO = Measure("19926-5", "FEV1/FVC", "%", 0, "procedure")

INFLAMMATORY = frozenset({"rheumatoid arthritis", "psoriasis", "ulcerative colitis"})
IFCC_SHARE = 0.08
"""Share of patients whose laboratory reports HbA1c in mmol/mol."""


def write_laboratory(chart: Chart) -> None:
    """Add a series of results for illnesses that are monitored, and single results otherwise."""
    illnesses, age = chart.person.illnesses, chart.person.age_on(chart.visits[-1].day)
    write_sugar(chart)
    if illnesses or age >= 35:
        write_kidneys(chart)
        write_blood_and_liver(chart, chart.visits[-1])
    if illnesses & {"hyperlipidemia", "diabetes"} or (age >= 45 and chart.dice.chance(0.5)):
        write_lipids(chart, chart.visits[-1])
    write_organ_tests(chart)


def write_sugar(chart: Chart) -> None:
    """Add HbA1c, and a glucose that matches the latest HbA1c."""
    dice = chart.dice
    diabetic = "diabetes" in chart.person.illnesses
    if not diabetic and not dice.chance(0.4):
        return
    level = dice.around(*((7.8, 1.1, 6.5, 10.7) if diabetic else (5.4, 0.25, 4.9, 5.8)))
    in_ifcc_units = dice.chance(IFCC_SHARE)
    for visit in chart.visits if diabetic else chart.visits[-1:]:
        value = level + (dice.between(-0.3, 0.3) if diabetic else 0.0)
        if in_ifcc_units:
            write_measurement(chart, visit, HBA1C_IFCC, 10.929 * (value - 2.15))
        else:
            write_measurement(chart, visit, HBA1C, value)
    glucose = (28.7 * level - 46.7) * dice.between(0.9, 1.1)
    write_measurement(chart, chart.visits[-1], GLUCOSE, max(68, glucose))


def write_kidneys(chart: Chart) -> None:
    """Add creatinine, and the filtration rate computed from it."""
    dice, person = chart.dice, chart.person
    diseased = "kidney disease" in person.illnesses
    healthy = 112 - 0.5 * person.age_on(chart.visits[-1].day)
    level = dice.around(*((45, 6, 33, 55) if diseased else (healthy, 7, 64, 118)))
    for visit in chart.visits[-3 if diseased else -1 :]:
        age = person.age_on(visit.day)
        creatinine = creatinine_for(level * dice.between(0.96, 1.04), person.sex, age)
        creatinine = write_measurement(chart, visit, CREATININE, creatinine)
        filtration = filtration_from(creatinine, person.sex, age)
        write_measurement(chart, visit, FILTRATION, filtration)


def write_blood_and_liver(chart: Chart, visit: Visit) -> None:
    """Add blood count and liver enzymes; patients with cancer have lower counts."""
    dice, person = chart.dice, chart.person
    weakened = 0.9 if person.illnesses & CANCERS else 1.0
    hemoglobin = dice.around(*((13.4, 0.9, 11, 16) if person.sex == "female" else (15, 1, 12, 18)))
    write_measurement(chart, visit, HEMOGLOBIN, hemoglobin * weakened)
    write_measurement(chart, visit, PLATELETS, dice.around(250, 55, 120, 430) * weakened)
    liver = dice.around(26, 9, 8, 70)
    if dice.chance(0.02):
        write_measurement(chart, visit, ALT, 5, "<")
    else:
        write_measurement(chart, visit, ALT, liver)
    write_measurement(chart, visit, AST, max(9, liver * dice.between(0.75, 1.1)))


def write_lipids(chart: Chart, visit: Visit) -> None:
    """Add a lipid panel whose values satisfy the Friedewald equation."""
    dice = chart.dice
    high = "hyperlipidemia" in chart.person.illnesses
    ldl = dice.around(*((138, 26, 72, 210) if high else (104, 20, 55, 150)))
    hdl = dice.around(*((56, 11, 32, 90) if chart.person.sex == "female" else (47, 9, 28, 80)))
    triglycerides = dice.around(*((185, 45, 85, 370) if high else (115, 30, 50, 200)))
    measure = LDL_CALCULATED if dice.chance(0.7) else LDL
    ldl = write_measurement(chart, visit, measure, ldl)
    hdl = write_measurement(chart, visit, HDL, hdl)
    triglycerides = write_measurement(chart, visit, TRIGLYCERIDES, triglycerides)
    write_measurement(chart, visit, TOTAL_CHOLESTEROL, ldl + hdl + triglycerides / 5)


def write_organ_tests(chart: Chart) -> None:
    """Add the tests that monitor single illnesses."""
    dice, person, visit = chart.dice, chart.person, chart.visits[-1]
    if "hypothyroidism" in person.illnesses:
        write_measurement(chart, visit, TSH, dice.around(3.4, 1.8, 0.3, 9.5))
    elif dice.chance(0.1):
        write_measurement(chart, visit, TSH, dice.around(2.0, 0.7, 0.5, 4.2))
    if person.sex == "male" and person.age_on(visit.day) > 50:
        write_prostate_antigen(chart, visit)
    if person.illnesses & INFLAMMATORY:
        if dice.chance(0.3):
            write_measurement(chart, visit, CRP, 5, "<")
        else:
            write_measurement(chart, visit, CRP, dice.around(12, 6, 5, 40))
    if "heart failure" in person.illnesses:
        write_measurement(chart, visit, EJECTION_FRACTION, dice.around(38, 9, 18, 58))
    if "obstructive lung disease" in person.illnesses:
        write_measurement(chart, visit, FEV1_RATIO, dice.around(58, 7, 38, 69))


def write_prostate_antigen(chart: Chart, visit: Visit) -> None:
    """Add PSA: below the limit of detection where a cancer was treated with success."""
    if "prostate cancer" not in chart.person.illnesses:
        write_measurement(chart, visit, PSA, chart.dice.around(1.6, 0.9, 0.3, 3.9))
    elif chart.dice.chance(0.4):
        write_measurement(chart, visit, PSA, 0.1, "<")
    else:
        write_measurement(chart, visit, PSA, chart.dice.around(11, 6, 4.2, 38))
