"""Adversarial texts: long ones, and those at which patterns could take more than linear time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trially.recruiting.drafting.drafts import LONGEST_TEXT, draft
from trially.recruiting.drafting.reading.readings import Extent
from trially.recruiting.drafting.reading.rules import LONGEST_STATEMENT

UNITS = [
    "a", "(", ")", "[", "1 ", "1", "1,", "1.", ">=", "<", "or ", "and ", "no ", "not ", "of ",
    ", ", "; ", "- ", "\\", "&", "&gt;", "\u2022", "o A", "1) ", "(e.g. ", "within the last ",
    "for ",
    "at least ", "hba1c of ", "alt, ", "participating in clinical ", "negative or ", "between ",
    "history of ", "18 to ", "age (", "any of the following ", "one ", "type 2 ", "x uln ",
    "\ufdfa",
]  # fmt: skip
"""What the patterns begin with, go on with, or almost end with."""


@pytest.mark.parametrize("unit", UNITS)
def test_a_repeated_beginning_of_a_pattern_is_read_to_its_end(unit: str) -> None:
    # A statement of the longest length; with quadratic time for each word, it would take minutes.
    text = (unit * LONGEST_STATEMENT)[:LONGEST_STATEMENT]

    made = draft(f"Exclusion Criteria:\n* {text}\n* Pregnancy")

    assert made.readings[-1].extent is Extent.WHOLE
    assert made.split.words(made.split.statements[-1]) == "Pregnancy"


@pytest.mark.parametrize(
    "line", ["* a\n", "Inclusion Criteria: ", "1) x ", ":\n", "        * a:\n"]
)
def test_a_long_text_is_split_to_its_end(line: str) -> None:
    end = "\nExclusion Criteria:\n* Pregnancy"
    # A quarter of the longest text, since a quadratic time would show at that length too.
    text = (line * LONGEST_TEXT)[: LONGEST_TEXT // 4 - len(end)] + end

    made = draft(text)

    assert made.readings[-1].extent is Extent.WHOLE


def test_a_statement_that_is_too_long_is_kept_and_not_read() -> None:
    text = "Type 2 diabetes " * LONGEST_STATEMENT

    [reading] = draft(text).readings
    [criterion] = draft(text).criteria("protocol")

    assert reading.extent is Extent.UNREAD
    assert reading.reason == "The statement is too long."
    assert criterion["expression"]["unsupported"]["text"] == text[:10_000]


WORDS = st.sampled_from(
    [
        "type 2 diabetes", "stroke", "HbA1c", "BMI", "metformin", "pregnant", "women", "age",
        "adults", ">=", "\u2264", "<", "7", "18", "65", "7.5", "%", "kg/m2", "years", "old",
        "or older", "to",
        "between", "and", "or", ",", ";", ".", "(", ")", "no", "history of", "within", "6 months",
        "of screening", "for at least", "current", "use of", "another clinical trial", "x ULN",
        "ALT", "e.g.", "the following", ":", "blue", "\\>", "&lt;", "hospitalized", "allergy to",
        "male",
    ]
)  # fmt: skip


@given(st.lists(WORDS, min_size=1, max_size=14).map(" ".join), st.sampled_from(["In", "Ex"]))
def test_any_words_give_valid_proposals_with_places_in_their_statement(
    text: str, side: str
) -> None:
    # `draft` checks criteria against the language, and places against their statements.
    made = draft(f"{side}clusion Criteria:\n* {text}")

    for reading in made.readings:
        if reading.extent is Extent.WHOLE:
            assert reading.left_out == ()
            assert reading.criterion is not None or made.split.statements[0].parent is not None
        for part in reading.parts:
            assert made.split.text[part.place.start : part.place.end] == part.words
            assert part.words


@given(st.text(max_size=300))
def test_any_text_can_be_drafted(text: str) -> None:
    made = draft(text)

    assert len(made.readings) == len(made.split.statements)
