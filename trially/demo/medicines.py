"""The medicines that are prescribed for each illness."""

from collections.abc import Mapping
from dataclasses import dataclass

from trially.demo.codes import RXNORM, Coding


@dataclass(frozen=True)
class Medicine:
    """A product and its directions."""

    coding: Coding
    directions: str
    share: float
    """Share of patients with the illness who get the product."""
    suits_pregnancy: bool = False
    course_days: int | None = None
    """Length of the treatment; None means that it is permanent."""
    unless: Coding | None = None
    """A product that excludes this one."""


def product(code: str, display: str) -> Coding:
    """Return an RxNorm product."""
    return Coding(RXNORM, code, display)


ALBUTEROL = product("745679", "200 ACTUAT Albuterol 0.09 MG/ACTUAT Metered Dose Inhaler")
METHOTREXATE = product("105585", "Methotrexate 2.5 MG Oral Tablet")
PACLITAXEL = product("583214", "PACLitaxel 100 MG Injection")
PREDNISONE = product("312617", "predniSONE 5 MG Oral Tablet")
APIXABAN = product("1364445", "apixaban 5 MG Oral Tablet")
NAPROXEN = product("198014", "Naproxen 500 MG Oral Tablet")

DAILY, TWICE, AS_NEEDED = "Once daily", "Twice daily", "As needed"
WEEKLY, CYCLES = "Once a week", "Every three weeks"

MEDICINES: Mapping[str, tuple[Medicine, ...]] = {
    "diabetes": (
        Medicine(
            product("860975", "24 HR Metformin hydrochloride 500 MG Extended Release Oral Tablet"),
            TWICE,
            0.82,
            suits_pregnancy=True,
        ),
        Medicine(
            product("311041", "insulin glargine 100 UNT/ML Injectable Solution"),
            "At bedtime",
            0.25,
            suits_pregnancy=True,
        ),
    ),
    "hypertension": (
        Medicine(product("314076", "lisinopril 10 MG Oral Tablet"), DAILY, 0.55),
        Medicine(product("197361", "Amlodipine 5 MG Oral Tablet"), DAILY, 0.35),
        Medicine(product("310798", "Hydrochlorothiazide 25 MG Oral Tablet"), DAILY, 0.25),
    ),
    "hyperlipidemia": (
        Medicine(product("617312", "atorvastatin 10 MG Oral Tablet"), DAILY, 0.45),
        Medicine(product("312961", "Simvastatin 20 MG Oral Tablet"), DAILY, 0.25),
    ),
    "obstructive lung disease": (
        Medicine(
            product(
                "896209",
                "60 ACTUAT Fluticasone propionate 0.25 MG/ACTUAT / salmeterol 0.05 MG/ACTUAT "
                "Dry Powder Inhaler",
            ),
            TWICE,
            0.65,
        ),
        Medicine(ALBUTEROL, AS_NEEDED, 0.6, suits_pregnancy=True),
    ),
    "asthma": (
        Medicine(ALBUTEROL, AS_NEEDED, 0.8, suits_pregnancy=True),
        Medicine(
            product(
                "895994", "120 ACTUAT Fluticasone propionate 0.044 MG/ACTUAT Metered Dose Inhaler"
            ),
            TWICE,
            0.45,
            suits_pregnancy=True,
        ),
    ),
    "heart failure": (
        Medicine(product("313988", "Furosemide 40 MG Oral Tablet"), DAILY, 0.75),
        Medicine(
            product("866412", "24 HR metoprolol succinate 100 MG Extended Release Oral Tablet"),
            DAILY,
            0.7,
        ),
    ),
    "atrial fibrillation": (
        Medicine(APIXABAN, TWICE, 0.6),
        Medicine(
            product("855332", "Warfarin Sodium 5 MG Oral Tablet"), DAILY, 0.75, unless=APIXABAN
        ),
        Medicine(product("197604", "Digoxin 0.125 MG Oral Tablet"), DAILY, 0.2),
    ),
    "breast cancer": (
        Medicine(product("199224", "anastrozole 1 MG Oral Tablet"), DAILY, 0.7),
        Medicine(PACLITAXEL, CYCLES, 0.4, course_days=126),
    ),
    "prostate cancer": (
        Medicine(
            product("752899", "0.25 ML Leuprolide Acetate 30 MG/ML Prefilled Syringe"),
            "Every four weeks",
            0.5,
        ),
    ),
    "lung cancer": (
        Medicine(product("1736854", "Cisplatin 50 MG Injection"), CYCLES, 0.7, course_days=84),
        Medicine(PACLITAXEL, CYCLES, 0.5, course_days=84),
    ),
    "rheumatoid arthritis": (
        Medicine(METHOTREXATE, WEEKLY, 0.7),
        Medicine(PREDNISONE, DAILY, 0.35),
    ),
    "depression": (
        Medicine(
            product("312941", "sertraline 50 MG Oral Tablet"), DAILY, 0.65, suits_pregnancy=True
        ),
    ),
    "migraine": (Medicine(NAPROXEN, AS_NEEDED, 0.5),),
    "osteoarthritis": (
        Medicine(
            product("313782", "Acetaminophen 325 MG Oral Tablet"),
            AS_NEEDED,
            0.5,
            suits_pregnancy=True,
        ),
        Medicine(NAPROXEN, AS_NEEDED, 0.3),
    ),
    "psoriasis": (
        Medicine(
            product("106258", "Hydrocortisone 10 MG/ML Topical Cream"),
            TWICE,
            0.6,
            suits_pregnancy=True,
        ),
        Medicine(METHOTREXATE, WEEKLY, 0.25),
    ),
    "ulcerative colitis": (Medicine(PREDNISONE, DAILY, 0.5, course_days=56),),
    "hypothyroidism": (
        Medicine(
            product("966222", "Levothyroxine Sodium 0.075 MG Oral Tablet"),
            DAILY,
            0.9,
            suits_pregnancy=True,
        ),
    ),
    "bronchitis": (
        Medicine(
            product("308192", "Amoxicillin 500 MG Oral Tablet"),
            "Three times daily",
            0.3,
            suits_pregnancy=True,
            course_days=7,
        ),
    ),
    "cystitis": (
        Medicine(
            product("311995", "NITROFURANTOIN, MACROCRYSTALS 50 MG Oral Capsule"),
            "Four times daily",
            0.7,
            course_days=5,
        ),
    ),
}
