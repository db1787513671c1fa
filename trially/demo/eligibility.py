"""The eligibility criteria of the demo's studies. They are fictitious, and written for the demo.

Each list has a question for a person about some of the patients. A question about all of them
would leave no patient eligible. Codes of products are those of `medicines`: without RxNorm, trially
does not know which products contain an ingredient.
"""

from trially.demo.expressions import (
    DemoCriterion,
    aged,
    asks,
    both,
    diagnosed,
    either,
    exclude,
    include,
    measured,
    takes,
)

Criteria = tuple[DemoCriterion, ...]

FILTRATION = "33914-3 48642-3 48643-1 62238-1 77147-7 98979-8"
FILTRATION_UNIT = "mL/min/{1.73_m2}"

HEART_FAILURE = diagnosed("sct|84114007", icd10="I50")
PREGNANT = exclude("Pregnancy", {"pregnancy": {}})


def filtration_of_at_least(bound: int) -> DemoCriterion:
    """Return an inclusion of patients whose kidneys filter enough, in mL/min/1.73 m²."""
    return include(
        f"Estimated glomerular filtration rate of {bound} mL/min/1.73 m² or more",
        measured(FILTRATION, FILTRATION_UNIT, gte=bound),
    )


TYPE_2_DIABETES: Criteria = (
    include("Age from 18 to 75 years", aged(gte=18, lte=75)),
    include("Type 2 diabetes", diagnosed(valueset="t2dm")),
    include("Metformin for at least 90 days", takes("6809 860975", min_days=90)),
    include(
        "HbA1c from 7.0 % to 10.5 %, most recent value",
        measured("4548-4 17856-6 59261-8", "%", gte=7, lte=10.5),
    ),
    include("Body mass index from 23 to 45 kg/m²", measured("39156-5", "kg/m2", gte=23, lte=45)),
    filtration_of_at_least(30),
    exclude("Insulin glargine", takes("311041")),
    exclude("Heart failure", HEART_FAILURE),
    PREGNANT,
    include(
        "Women below 50 years use a reliable contraceptive",
        asks("Does she use a reliable contraceptive?", of=both({"sex": ["female"]}, aged(lt=50))),
    ),
)

HYPERTENSION: Criteria = (
    include("Age from 30 to 80 years", aged(gte=30, lte=80)),
    include(
        "Hypertension, known for at least 6 months",
        diagnosed(valueset="hypertension", within={"to": "-P6M"}),
    ),
    include(
        "Systolic blood pressure from 130 to 179 mmHg, most recent value",
        measured("8480-6", "mm[Hg]", gte=130, lt=180),
    ),
    include(
        "Lisinopril, amlodipine, hydrochlorothiazide or metoprolol",
        takes("314076 197361 310798 866412"),
    ),
    filtration_of_at_least(30),
    exclude("Heart failure", HEART_FAILURE),
    exclude("Atrial fibrillation", diagnosed(valueset="atrial_fibrillation")),
    PREGNANT,
    include(
        "From 70 years on: someone at home can help with the evening dose",
        asks("Can someone at home help with the evening dose?", of=aged(gte=70)),
    ),
)

LUNG_CANCER: Criteria = (
    include("Age of 18 years or more", aged(gte=18)),
    include("Non-small cell lung cancer", diagnosed("sct|254637007", icd10="C34")),
    include("Treated with cisplatin before", takes("1736854", status="any")),
    include("ECOG performance status of 0 or 1", measured("89247-1", "{score}", lte=1)),
    include("Hemoglobin of 9 g/dL or more", measured("718-7", "g/dL", gte=9)),
    include("Platelets of 100,000/µL or more", measured("777-3", "10*3/uL", gte=100)),
    filtration_of_at_least(45),
    exclude("Alanine aminotransferase above 100 U/L", measured("1742-6", "U/L", gt=100)),
    exclude(
        "Rheumatoid arthritis, psoriasis or ulcerative colitis",
        diagnosed("sct|69896004", "sct|9014002", "sct|64766004", icd10="M05 M06 L40 K51"),
    ),
    PREGNANT,
    include(
        "From 75 years on: fit for an infusion every three weeks",
        asks("Is the patient fit for an infusion every three weeks?", of=aged(gte=75)),
    ),
)

RHEUMATOID_ARTHRITIS: Criteria = (
    include("Age from 18 to 85 years", aged(gte=18, lte=85)),
    include("Rheumatoid arthritis", diagnosed("sct|69896004", icd10="M05 M06")),
    include("Methotrexate for at least 12 weeks", takes("105585", min_days=84)),
    filtration_of_at_least(30),
    include("Hemoglobin of 9 g/dL or more", measured("718-7", "g/dL", gte=9)),
    exclude("Alanine aminotransferase above 80 U/L", measured("1742-6", "U/L", gt=80)),
    exclude(
        "Cancer of the breast, the prostate or the lung",
        diagnosed("sct|254837009", "sct|399068003", "sct|254637007", icd10="C50 C61 C34"),
    ),
    PREGNANT,
    include(
        "From 60 years on: a chest X-ray shows no sign of tuberculosis",
        asks("Does a chest X-ray show no sign of tuberculosis?", of=aged(gte=60)),
    ),
)

HEART_RHYTHM: Criteria = (
    include("Age of 40 years or more", aged(gte=40)),
    include(
        "Heart failure or atrial fibrillation",
        either(HEART_FAILURE, diagnosed(valueset="atrial_fibrillation")),
    ),
    include(
        "In heart failure: left ventricular ejection fraction of 50 % or less",
        {"when": HEART_FAILURE, "then": measured("10230-1", "%", lte=50)},
    ),
    include("Furosemide, metoprolol, apixaban or warfarin", takes("313988 866412 1364445 855332")),
    exclude(
        "Estimated glomerular filtration rate below 30 mL/min/1.73 m²",
        measured(FILTRATION, FILTRATION_UNIT, lt=30),
    ),
    exclude("Lung cancer", diagnosed("sct|254637007", icd10="C34")),
    include(
        "From 80 years on: someone at home can help with the device",
        asks("Can someone at home help with the device?", of=aged(gte=80)),
    ),
)

AIRWAYS: Criteria = (
    include("Age from 18 to 85 years", aged(gte=18, lte=85)),
    include(
        "Asthma or chronic obstructive pulmonary disease",
        either(diagnosed(valueset="asthma"), diagnosed(valueset="copd")),
    ),
    include(
        "In chronic obstructive pulmonary disease: FEV1/FVC below 70 %, most recent value",
        {"when": diagnosed(valueset="copd"), "then": measured("19926-5", "%", lt=70)},
    ),
    include("Inhaled fluticasone", takes("896209 895994")),
    exclude(
        "Smokes every day",
        {
            "observation": {
                "in": {"codes": ["loinc|72166-2"]},
                "value": {"in": {"codes": ["sct|449868002"]}},
            }
        },
    ),
    exclude("Heart failure", HEART_FAILURE),
    PREGNANT,
    include(
        "From 70 years on: handles the inhaler without help",
        asks("Does the patient handle the inhaler without help?", of=aged(gte=70)),
    ),
)
