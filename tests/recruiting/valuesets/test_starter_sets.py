"""The starter sets have the codes that they say, and match what real records have."""

import csv
import gzip
import json
from collections import Counter

import pytest
from flask import Flask
from terminology_files import REAL_CODES, REAL_ICD10CM

from trially.recruiting.valuesets.expanding import Expander, Outcome
from trially.recruiting.valuesets.starter_sets import FOLDER, starter_sets
from trially.terminologies.systems import ICD9CM, ICD10, ICD10CM
from trially.value_sets.codes import SNOMED

KEYS = {
    *("t2dm", "hypertension", "ckd", "atrial_fibrillation", "chd", "copd", "asthma"),
    *("breast_cancer", "depression", "obesity", "pregnancy"),
}
IN = [
    ("t2dm", ICD10CM, "E11.9"),
    ("t2dm", ICD10CM, "E119"),
    ("t2dm", ICD10, "E11"),
    ("t2dm", ICD9CM, "250.02"),
    ("t2dm", ICD9CM, "25002"),
    ("t2dm", SNOMED, "44054006"),
    ("hypertension", ICD10CM, "I10"),
    ("hypertension", ICD10CM, "I1A.0"),
    ("hypertension", ICD9CM, "401.9"),
    ("ckd", ICD10CM, "N18.30"),
    ("ckd", ICD10CM, "E11.22"),
    ("atrial_fibrillation", ICD10CM, "I48.91"),
    ("atrial_fibrillation", ICD9CM, "427.31"),
    ("chd", ICD10CM, "I25.2"),
    ("chd", ICD9CM, "414.01"),
    ("copd", ICD10CM, "J44.1"),
    ("asthma", ICD10CM, "J45.909"),
    ("asthma", ICD10, "J46"),
    ("breast_cancer", ICD10CM, "C50.911"),
    ("breast_cancer", ICD9CM, "174.9"),
    ("depression", ICD10CM, "F33.1"),
    ("depression", ICD9CM, "311"),
    ("obesity", ICD10CM, "E66.01"),
    ("obesity", ICD10CM, "Z68.41"),
    ("pregnancy", ICD10CM, "O09.90"),
    ("pregnancy", ICD10CM, "Z3A.20"),
    ("pregnancy", SNOMED, "72892002"),
]
OUT = [
    ("t2dm", ICD10CM, "E10.9"),
    ("t2dm", ICD10CM, "O24.410"),
    ("t2dm", ICD9CM, "250.01"),
    ("t2dm", "urn:local", "E11.9"),
    ("hypertension", ICD10CM, "I27.20"),
    ("hypertension", ICD10CM, "O13.9"),
    ("ckd", ICD10CM, "N17.9"),
    ("atrial_fibrillation", ICD10CM, "I48.92"),
    ("chd", ICD10CM, "I50.9"),
    ("copd", ICD10CM, "J45.909"),
    ("asthma", ICD10CM, "J44.9"),
    ("breast_cancer", ICD10CM, "D05.10"),
    ("breast_cancer", ICD10CM, "Z85.3"),
    ("depression", ICD10CM, "F31.30"),
    ("depression", ICD10CM, "F32.81"),
    ("obesity", ICD10CM, "E66.3"),
    ("obesity", ICD9CM, "278.02"),
    ("pregnancy", ICD10CM, "O80"),
    ("pregnancy", ICD10CM, "O03.9"),
]


def expanded(app: Flask) -> dict[str, Outcome]:
    def find(key: str, expander: Expander) -> Outcome | None:
        starter = starter_sets().get(key)
        return starter and expander.compose(starter.composition)

    with app.app_context(), Expander(find) as expander:
        return {key: expander.value_set(key) for key in starter_sets()}


def test_there_is_a_set_for_each_condition() -> None:
    assert starter_sets().keys() == KEYS
    assert {path.stem for path in FOLDER.glob("*.json")} == KEYS
    assert len({each.id for each in starter_sets().values()}) == len(KEYS)
    for each in starter_sets().values():
        assert each.number >= 1
        assert each.sources
        assert each.description.endswith(".")


def test_codes_are_in_the_sets_that_they_belong_to(app: Flask) -> None:
    sets = expanded(app)

    assert [each for each in IN if each[1:] not in sets[each[0]].expansion] == []
    assert [each for each in OUT if each[1:] in sets[each[0]].expansion] == []


def test_no_code_is_written_twice_in_a_part() -> None:
    for path in FOLDER.glob("*.json"):
        for parts in json.loads(path.read_text())["compose"].values():
            for part in parts:
                codes = Counter(code.split(" ")[0] for code in part.get("codes", ()))
                codes += Counter(part.get("icd10_prefix", ()))
                assert [code for code, count in codes.items() if count > 1] == [], path.name


@pytest.mark.skipif(not REAL_ICD10CM.exists(), reason="The public files are not here.")
def test_prefixes_exist_in_icd10cm_and_say_what_the_set_is_about() -> None:
    with gzip.open(REAL_ICD10CM, "rt", encoding="utf-8") as file:
        codes = [row["code"] for row in csv.DictReader(file, delimiter="\t")]
    for starter in starter_sets().values():
        parts = [*starter.composition.include, *starter.composition.exclude]
        for prefix in {prefix for part in parts for prefix in part.icd10_prefix} - {"J46"}:
            assert any(code.startswith(prefix) for code in codes), (starter.key, prefix)


@pytest.mark.skipif(not REAL_CODES.exists(), reason="The public files are not here.")
def test_each_set_but_breast_cancer_matches_conditions_of_real_records(app: Flask) -> None:
    with gzip.open(REAL_CODES, "rt", encoding="utf-8") as file:
        rows = [
            row for row in csv.DictReader(file, delimiter="\t") if row["resource"] == "Condition"
        ]
    found = {
        key: {row["display"] for row in rows if (row["system"], row["code"]) in outcome.expansion}
        for key, outcome in expanded(app).items()
    }

    assert {key for key, displays in found.items() if not displays} == {"breast_cancer"}
    assert found["asthma"] == {"Asthma", "Childhood asthma"}
    assert found["obesity"] == {
        "Body mass index 30+ - obesity (finding)",
        "Body mass index 40+ - severely obese (finding)",
    }
    assert "Prediabetes" not in found["t2dm"]
    assert len(found["t2dm"]) == 6
