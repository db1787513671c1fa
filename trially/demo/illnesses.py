"""The illnesses of the demo patients: codes, prevalence, and risk factors."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from trially.demo.codes import Coding, icd_10, snomed

SMOKING = "smoking"
"""A key of `Illness.raised_by`, beside the names of illnesses."""


@dataclass(frozen=True)
class Illness:
    """An illness: its codes and its prevalence."""

    name: str
    snomed: tuple[Coding, ...]
    icd_10: Coding
    shares: tuple[float, float, float]
    """Prevalence under 40, from 40 to 64, and from 65 on."""
    sex: str | None = None
    """The only sex that can have the illness; None means both."""
    raised_by: Mapping[str, float] = field(default_factory=dict)
    """Factors by which other illnesses, or smoking, multiply the prevalence."""
    recovery: float = 0.0
    """Share of patients who have recovered."""
    most_years: int = 12
    """Most years since the onset."""


CHRONIC_ILLNESSES = (
    Illness(
        "diabetes",
        (snomed("44054006", "Type 2 diabetes mellitus"),),
        icd_10("E11.9", "Type 2 diabetes mellitus without complications"),
        (0.03, 0.12, 0.20),
    ),
    Illness(
        "obesity",
        (snomed("414916001", "Obesity"),),
        icd_10("E66.9", "Obesity, unspecified"),
        (0.22, 0.30, 0.26),
        raised_by={"diabetes": 1.8},
    ),
    Illness(
        "hypertension",
        (
            snomed("59621000", "Essential hypertension"),
            snomed("38341003", "Hypertension"),
        ),
        icd_10("I10", "Essential (primary) hypertension"),
        (0.06, 0.28, 0.50),
        raised_by={"diabetes": 1.7, "obesity": 1.4},
        most_years=18,
    ),
    Illness(
        "hyperlipidemia",
        (snomed("55822004", "Hyperlipidemia"),),
        icd_10("E78.5", "Hyperlipidemia, unspecified"),
        (0.05, 0.25, 0.40),
        raised_by={"diabetes": 1.5},
    ),
    Illness(
        "kidney disease",
        (snomed("433144002", "Chronic kidney disease stage 3"),),
        icd_10("N18.30", "Chronic kidney disease, stage 3 unspecified"),
        (0.003, 0.02, 0.09),
        raised_by={"diabetes": 3.0, "hypertension": 1.6},
        most_years=6,
    ),
    Illness(
        "obstructive lung disease",
        (snomed("13645005", "Chronic obstructive lung disease"),),
        icd_10("J44.9", "Chronic obstructive pulmonary disease, unspecified"),
        (0.002, 0.03, 0.07),
        raised_by={SMOKING: 3.0},
    ),
    Illness(
        "asthma",
        (snomed("195967001", "Asthma"),),
        icd_10("J45.909", "Unspecified asthma, uncomplicated"),
        (0.09, 0.08, 0.06),
        recovery=0.12,
        most_years=25,
    ),
    Illness(
        "heart failure",
        (snomed("84114007", "Heart failure"),),
        icd_10("I50.9", "Heart failure, unspecified"),
        (0.001, 0.012, 0.045),
        raised_by={"hypertension": 1.8, "diabetes": 1.5},
        most_years=6,
    ),
    Illness(
        "atrial fibrillation",
        (snomed("49436004", "Atrial fibrillation"),),
        icd_10("I48.91", "Unspecified atrial fibrillation"),
        (0.001, 0.015, 0.06),
        raised_by={"heart failure": 3.0, "hypertension": 1.4},
    ),
    Illness(
        "breast cancer",
        (snomed("254837009", "Malignant neoplasm of breast"),),
        icd_10("C50.919", "Malignant neoplasm of unspecified site of unspecified female breast"),
        (0.004, 0.03, 0.05),
        sex="female",
        recovery=0.15,
        most_years=4,
    ),
    Illness(
        "prostate cancer",
        (snomed("399068003", "Malignant tumor of prostate"),),
        icd_10("C61", "Malignant neoplasm of prostate"),
        (0.0, 0.02, 0.07),
        sex="male",
        most_years=5,
    ),
    Illness(
        "lung cancer",
        (snomed("254637007", "Non-small cell lung cancer"),),
        icd_10("C34.90", "Malignant neoplasm of unspecified part of unspecified bronchus or lung"),
        (0.0, 0.006, 0.014),
        raised_by={SMOKING: 4.0},
        most_years=2,
    ),
    Illness(
        "rheumatoid arthritis",
        (snomed("69896004", "Rheumatoid arthritis"),),
        icd_10("M06.9", "Rheumatoid arthritis, unspecified"),
        (0.006, 0.015, 0.022),
    ),
    Illness(
        "depression",
        (snomed("370143000", "Major depressive disorder"),),
        icd_10("F32.9", "Major depressive disorder, single episode, unspecified"),
        (0.10, 0.09, 0.06),
        recovery=0.25,
        most_years=8,
    ),
    Illness(
        "migraine",
        (snomed("37796009", "Migraine"),),
        icd_10("G43.909", "Migraine, unspecified, not intractable, without status migrainosus"),
        (0.11, 0.09, 0.03),
        recovery=0.12,
    ),
    Illness(
        "osteoarthritis",
        (snomed("396275006", "Osteoarthritis"),),
        icd_10("M19.90", "Unspecified osteoarthritis, unspecified site"),
        (0.01, 0.12, 0.30),
        raised_by={"obesity": 1.4},
    ),
    Illness(
        "psoriasis",
        (snomed("9014002", "Psoriasis"),),
        icd_10("L40.9", "Psoriasis, unspecified"),
        (0.03, 0.03, 0.03),
        recovery=0.08,
    ),
    Illness(
        "ulcerative colitis",
        (snomed("64766004", "Ulcerative colitis"),),
        icd_10("K51.90", "Ulcerative colitis, unspecified, without complications"),
        (0.010, 0.009, 0.006),
    ),
    Illness(
        "hypothyroidism",
        (snomed("40930008", "Hypothyroidism"),),
        icd_10("E03.9", "Hypothyroidism, unspecified"),
        (0.02, 0.05, 0.09),
    ),
)
"""Ordered so that each illness comes after its risk factors."""

PREGNANCY = Illness(
    "pregnancy",
    (snomed("77386006", "Pregnancy"),),
    icd_10("Z33.1", "Pregnant state, incidental"),
    (0.08, 0.03, 0.0),
    sex="female",
)

PASSING_ILLNESSES = (
    Illness(
        "sinusitis",
        (snomed("444814009", "Viral sinusitis"),),
        icd_10("J01.90", "Acute sinusitis, unspecified"),
        (0.10, 0.08, 0.05),
    ),
    Illness(
        "bronchitis",
        (snomed("10509002", "Acute bronchitis"),),
        icd_10("J20.9", "Acute bronchitis, unspecified"),
        (0.06, 0.08, 0.09),
        raised_by={SMOKING: 1.5},
    ),
    Illness(
        "cystitis",
        (snomed("38822007", "Cystitis"),),
        icd_10("N30.90", "Cystitis, unspecified without hematuria"),
        (0.08, 0.06, 0.06),
        sex="female",
    ),
)

CANCERS = frozenset({"breast cancer", "prostate cancer", "lung cancer"})
