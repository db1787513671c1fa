"""Splitting of eligibility texts: headings, bullets, numbers, nesting; nothing is lost."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trially.recruiting.drafting.places import Place
from trially.recruiting.drafting.splitting.splitter import DEEPEST, split
from trially.recruiting.drafting.splitting.statements import Section, SplitText


def words(text: SplitText) -> list[str]:
    return [text.words(each) for each in text.statements]


def sections(text: SplitText) -> list[Section]:
    return [each.section for each in text.statements]


@pytest.mark.parametrize(
    ("heading", "section"),
    [
        ("Inclusion Criteria:", Section.INCLUSION),
        ("INCLUSION CRITERIA", Section.INCLUSION),
        ("Key Inclusion Criteria:", Section.INCLUSION),
        ("**Inclusion Criteria**", Section.INCLUSION),
        ("Inclusion:", Section.INCLUSION),
        ("1. Inclusion criteria", Section.INCLUSION),
        ("Major Eligibility Criteria:", Section.INCLUSION),
        ("Subjects must meet all of the following inclusion criteria:", Section.INCLUSION),
        ("To be eligible to participate in the study, participants must:", Section.INCLUSION),
        ("Exclusion Criteria:", Section.EXCLUSION),
        ("III.6 EXCLUSION CRITERIA", Section.EXCLUSION),
        ("Main exclusion criteria :", Section.EXCLUSION),
        ("Patients will be excluded if any of the following criteria are met:", Section.EXCLUSION),
    ],
)
def test_a_heading_says_what_the_statements_below_are(heading: str, section: Section) -> None:
    found = split(f"{heading}\n\n* Age 18 or older\n* Asthma")

    assert words(found) == ["Age 18 or older", "Asthma"]
    assert sections(found) == [section, section]
    [line] = [each.place.words(found.text) for each in found.headings]
    assert line.strip("*") == heading.strip("*1. ")
    assert {each.group for each in found.statements} == {None}


@pytest.mark.parametrize(
    "heading",
    ["Inclusion Criteria (Controls):", "Exclusion criteria for cases", "Part A: healthy adults:"],
)
def test_statements_of_a_group_name_the_group(heading: str) -> None:
    found = split(f"{heading}\n\n* Age 18 or older")

    assert found.statements[0].group == heading.lower().rstrip(":")


@pytest.mark.parametrize(
    "bullets",
    [
        *[("* ", "* "), ("- ", "- "), ("\u2022 ", "\u2022 "), ("\u2022", "\u2022")],
        *[("1. ", "2. "), ("1) ", "2) "), ("1.", "2."), ("(1) ", "(2) ")],
        *[("a. ", "b. "), ("i. ", "ii. "), ("* 1.", "* 2."), ("o ", "o ")],
        *[("* \u2022 ", "* \u2022 ")],
    ],
)
def test_bullets_and_numbers_are_no_part_of_statements(bullets: tuple[str, str]) -> None:
    first, second = bullets
    found = split(f"Inclusion Criteria:\n\n{first}Age 18 or older\n{second}Asthma")

    assert words(found) == ["Age 18 or older", "Asthma"]
    markers = [each.marker.words(found.text) for each in found.statements if each.marker]
    assert markers == [first.strip(), second.strip()]


def test_a_nested_statement_has_a_parent() -> None:
    found = split("Inclusion Criteria:\n\n1. One of:\n\n   1. Asthma\n   2. COPD\n2. Adults")

    assert [each.parent for each in found.statements] == [None, 1, 1, None]
    assert words(found) == ["One of:", "Asthma", "COPD", "Adults"]
    assert [each.number for each in found.children(found.statements[0])] == [2, 3]


def test_a_statement_goes_on_in_the_next_line_and_in_an_indented_paragraph() -> None:
    found = split(
        "Inclusion Criteria:\n\n * Asthma that was\n   diagnosed\n\n   Note: once.\n * COPD"
    )

    assert words(found) == ["Asthma that was\n   diagnosed\n\n   Note: once.", "COPD"]


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("* Speaks English; 2. Age 18; 3. Asthma", ["Speaks English;", "Age 18;", "Asthma"]),
        ("1) Age 18, 2) asthma, 3) COPD", ["Age 18,", "asthma,", "COPD"]),
        ("* Any of: a) asthma b) COPD", ["Any of:", "asthma", "COPD"]),
        ("* Diseases: o Asthma o COPD", ["Diseases:", "Asthma", "COPD"]),
        ("* Asthma for 5 years or 2 episodes", ["Asthma for 5 years or 2 episodes"]),
    ],
)
def test_an_enumeration_in_a_line_is_split(text: str, statements: list[str]) -> None:
    assert words(split(f"Inclusion Criteria:\n\n{text}")) == statements


def test_headings_inside_of_a_line_are_found() -> None:
    text = "Inclusion Criteria: - Consent - Age 18 Exclusion Criteria: - Asthma"

    found = split(text)

    assert words(found) == ["Consent", "Age 18", "Asthma"]
    assert sections(found) == [Section.INCLUSION, Section.INCLUSION, Section.EXCLUSION]


def test_an_exclusion_may_speak_of_inclusion_criteria() -> None:
    found = split("Exclusion Criteria:\n\n* Does not meet inclusion criteria\n* Asthma")

    assert words(found) == ["Does not meet inclusion criteria", "Asthma"]
    assert sections(found) == [Section.EXCLUSION, Section.EXCLUSION]


def test_a_text_without_headings_has_statements_of_no_section() -> None:
    found = split("Age 18 or older.\n\nAsthma.")

    assert sections(found) == [Section.UNSTATED, Section.UNSTATED]


def test_a_line_or_makes_the_statements_of_its_section_alternatives() -> None:
    found = split("Inclusion Criteria:\n* Asthma\n\nOR\n\n* COPD\n\nExclusion Criteria:\n* Cancer")

    assert [each.is_alternative for each in found.statements] == [True, True, False]


def test_nesting_has_a_limit() -> None:
    lines = [f"{' ' * depth}* a:" for depth in range(200)]

    found = split("\n".join(lines))

    assert max(len(list(found.ancestors(each))) for each in found.statements) == DEEPEST


LINES = st.one_of(
    st.sampled_from(
        [
            "Inclusion Criteria:", "Exclusion Criteria", "Key exclusion criteria (Part B):", "OR",
            "* ", "-", "1.", "  a) ", "* 1) x", "o Asthma o COPD", "1) a, 2) b, 3) c",
            "   * nested",
            "Inclusion Criteria: - a Exclusion Criteria: - b", "\\> 5", "N/A", "(a) one (b) two",
        ]
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=60),
    st.text("* -1.)(ao:;\n\\>\u2022 ", max_size=40),
)  # fmt: skip


@given(st.lists(LINES, max_size=12).map("\n".join))
def test_every_character_belongs_to_a_heading_a_marker_or_a_statement(text: str) -> None:
    found = split(text)

    covered = covered_by(text, [each.place for each in (*found.headings, *found.statements)])
    covered |= covered_by(text, found.markers)
    blank = {place for place, character in enumerate(text) if character.isspace()}
    assert covered | blank == set(range(len(text)))


@given(st.lists(LINES, max_size=12).map("\n".join))
def test_places_are_in_order_and_do_not_overlap(text: str) -> None:
    found = split(text)

    places = [each.place for each in (*found.headings, *found.statements)]
    ordered = sorted([*places, *found.markers])
    assert all(first.end <= second.start for first, second in pairwise(ordered))
    assert [each.place for each in found.statements] == sorted(
        each.place for each in found.statements
    )
    assert all(text[each.place.start : each.place.end].strip() for each in found.statements)
    assert [each.number for each in found.statements] == list(range(1, len(found.statements) + 1))
    assert all(each.parent is None or each.parent < each.number for each in found.statements)


def covered_by(text: str, places: Iterable[Place]) -> set[int]:
    return {at for place in places for at in range(*place)}
