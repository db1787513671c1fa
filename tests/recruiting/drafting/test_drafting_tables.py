"""The tables of names and codes, and the labels of the benchmark."""

import gzip
from collections import Counter
from pathlib import Path

from benchmarks.eligibility_labels import read_labels
from benchmarks.eligibility_texts import is_unseen
from trially.recruiting.criteria.units.table import analytes_of
from trially.recruiting.drafting.knowledge.analytes import ANALYTES
from trially.recruiting.drafting.knowledge.conditions import CONDITION_NAMES, CONDITIONS
from trially.recruiting.drafting.knowledge.medications import MEDICATION_NAMES, MEDICATIONS
from trially.value_sets.codes import FORMS, is_loinc, is_snomed
from trially.value_sets.units import is_unit

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
WHO_ONLY = {"A16", "I64"}
"""Categories of the WHO's ICD-10 that ICD-10-CM does not have."""


def test_codes_have_the_form_and_check_digit_of_their_systems() -> None:
    assert all(is_loinc(code) for each in ANALYTES.values() for code in each.codes)
    assert all(is_unit(unit) for each in ANALYTES.values() for unit in each.units)
    assert all(is_snomed(code) for each in CONDITIONS for code in each.snomed)
    assert all(FORMS[RXNORM](code) for each in MEDICATIONS for code in each.ingredients)


def test_bounds_have_units_that_the_criteria_language_converts() -> None:
    for each in ANALYTES.values():
        known = analytes_of(each.codes)
        assert len(known) <= 1, each.key
        assert all(analyte.unit(unit) for analyte in known for unit in each.units), each.key


def test_each_entry_has_codes_and_names_of_its_own() -> None:
    names = Counter(name for each in (*CONDITIONS, *MEDICATIONS) for name in each.names)
    keys = Counter(each.key for each in (*CONDITIONS, *MEDICATIONS))

    assert [name for name, number in names.items() if number > 1] == []
    assert [key for key, number in keys.items() if number > 1] == []
    assert all(each.icd10 or each.snomed for each in CONDITIONS)
    assert all(each.ingredients for each in MEDICATIONS)


def test_every_name_is_found() -> None:
    for condition in CONDITIONS:
        for name in condition.names:
            found = CONDITION_NAMES.find(name, 0)
            assert found is not None
            assert (found.what, found.end) == (condition, len(name))
    for medication in MEDICATIONS:
        for name in medication.names:
            found_medication = MEDICATION_NAMES.find(name, 0)
            assert found_medication is not None
            assert (found_medication.what, found_medication.end) == (medication, len(name))


def test_prefixes_are_in_icd_10_cm(shared_data: Path) -> None:
    table = shared_data / "terminology" / "icd10cm_2026_hierarchy.tsv.gz"
    with gzip.open(table, "rt") as lines:
        codes = [line.split("\t")[0] for line in lines]
    beginnings = {code[:length] for code in codes for length in range(1, len(code) + 1)}

    missing = {prefix for each in CONDITIONS for prefix in each.icd10} - beginnings

    assert missing == WHO_ONLY


def test_labels_are_of_unseen_studies_and_without_text() -> None:
    labels = list(read_labels())

    assert len(labels) == 220
    assert all(is_unseen(label.study) for label in labels)
    assert len({(label.study, label.statement) for label in labels}) == len(labels)
    assert {label.whole for label in labels} == {"y", "n", "-"}
