"""The counts of an independent pass over 615 patients, as criteria."""

from typing import Any

Json = dict[str, Any]

EVERYBODY: Json = {"any": [{"deceased": True}, {"deceased": False}]}
"""The dead too. Without a criterion about them they are left out."""


def _condition(code: str, **more: Any) -> Json:
    return {"condition": {"in": {"codes": [f"sct|{code}"]}, **more}}


def _observation(code: str, **more: Any) -> Json:
    return {"observation": {"in": {"codes": [f"loinc|{code}"]}, **more}}


def _metformin(**more: Any) -> Json:
    return {"medication": {"in": {"codes": ["rxnorm|860975"]}, **more}}


_ADULT: Json = {"age": {"gte": 18, "lte": 75}}
_HBA1C_7_TO_10 = _observation("4548-4", value={"gte": 7, "lte": 10, "unit": "%"})

GOLDEN: dict[str, list[Json]] = {
    "patients": [EVERYBODY],
    "alive": [{"deceased": False}],
    "alive_age_18_75": [_ADULT],
    "alive_female": [{"sex": "female"}],
    "have_hba1c_4548-4": [EVERYBODY, _observation("4548-4")],
    "hba1c_latest_ge_6.5": [
        EVERYBODY,
        _observation("4548-4", value={"gte": 6.5, "unit": "%"}),
    ],
    "hba1c_latest_7_to_10_alive": [_HBA1C_7_TO_10],
    "hba1c_in_last_365d": [EVERYBODY, _observation("4548-4", within={"from": "-P365D"})],
    "have_sbp": [EVERYBODY, _observation("8480-6")],
    "sbp_latest_ge_140_alive": [_observation("8480-6", value={"gte": 140, "unit": "mm[Hg]"})],
    "have_egfr_33914-3": [EVERYBODY, _observation("33914-3")],
    "egfr_latest_lt_60_alive": [
        _observation("33914-3", value={"lt": 60, "unit": "mL/min/{1.73_m2}"})
    ],
    "have_bmi": [EVERYBODY, _observation("39156-5")],
    "bmi_latest_ge_30_alive": [_observation("39156-5", value={"gte": 30, "unit": "kg/m2"})],
    "cond_diabetes_44054006_alive": [_condition("44054006")],
    "cond_hypertension_38341003_alive": [_condition("38341003")],
    "cond_prediabetes_15777000_alive": [_condition("15777000")],
    "cond_afib_49436004_alive": [_condition("49436004")],
    "cond_chd_53741008_alive": [_condition("53741008")],
    "ever_metformin": [EVERYBODY, _metformin()],
    "active_metformin": [EVERYBODY, _metformin(status="active")],
}
"""By the name of a count: criteria that all of the counted patients meet."""

DIABETES_STUDY: list[tuple[str, Json]] = [
    ("inclusion", _ADULT),
    ("inclusion", _condition("44054006", missing="not_met")),
    ("inclusion", _HBA1C_7_TO_10),
    (
        "exclusion",
        {
            "any": [
                _condition("49436004", missing="not_met"),
                _condition("53741008", missing="not_met"),
            ]
        },
    ),
]
"""`example_trial_1_diabetes` of the golden counts."""
