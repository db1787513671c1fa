"""Codes are found as somebody types."""

from collections.abc import Callable
from pathlib import Path

import pytest
from terminology_files import REAL_ICD10CM, write_snomed

from trially.terminologies.loading import load
from trially.terminologies.store import opened
from trially.terminologies.systems import SYSTEMS

SCT, ICD = SYSTEMS["sct"], SYSTEMS["icd10cm"]


Found = Callable[..., list[str]]


@pytest.fixture
def found(tmp_path: Path, terminologies: Path) -> Found:
    """Search the small SNOMED CT, and return codes."""
    load(SCT, write_snomed(tmp_path))

    def search(text: str, most: int = 20) -> list[str]:
        with opened(SCT) as terminology:
            return [each.code for each in terminology.search(text, most)]

    return search


def test_words_are_found_by_their_beginnings_in_any_order(found: Found) -> None:
    assert found("mell diab type") == ["44054006", "46635009", "422034002"]
    assert found("retin") == ["422034002"]
    assert found("retin xyz") == []


def test_synonyms_are_found(found: Found) -> None:
    assert found("niddm") == ["44054006"]
    assert found("HIGH blood") == ["38341003"]


def test_codes_are_found_by_their_beginnings(found: Found) -> None:
    assert found("44054") == ["44054006"]
    assert found("4405400612") == []


def test_the_number_of_results_is_bounded(found: Found) -> None:
    assert len(found("d", 2)) == 2


@pytest.mark.parametrize(
    "text", ['"', "'; --", "*", "()", "NEAR(a b)", "a OR", "-", "é", "%", "\x1f"]
)
def test_any_text_is_only_text(found: Found, text: str) -> None:
    assert isinstance(found(text), list)


@pytest.mark.skipif(not REAL_ICD10CM.exists(), reason="The public files are not here.")
def test_the_shortest_names_of_icd10cm_come_first() -> None:
    load(ICD, [REAL_ICD10CM])

    with opened(ICD) as terminology:
        names = [each.display for each in terminology.search("type 2 diab", 5)]
        codes = [each.code for each in terminology.search("i48.9", 5)]

    assert names[0] == "Type 2 diabetes mellitus"
    assert names == sorted(names, key=len)
    assert codes == ["I48.9", "I48.91", "I48.92"]
