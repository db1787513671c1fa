"""Where the criteria are in a whole protocol."""

import pytest

from trially.recruiting.drafting.splitting.sections import find_criteria
from trially.recruiting.drafting.splitting.splitter import split

PROTOCOL = """Protocol GLY-302
5.1 Inclusion Criteria ........ 31
5.2 Exclusion Criteria 33
SYNOPSIS
Key inclusion criteria:
Adults with type 2 diabetes
OBJECTIVES
To show that it works
5 STUDY POPULATION
5.1 Inclusion Criteria
GLY-302, confidential
1. Age 18 or older
2. Type 2 diabetes
3. HbA1c of 7 to 10 %
4. BMI of 25 or more
5. Able to walk
GLY-302, confidential
6. Signed consent
5.2 Exclusion Criteria
1. Pregnancy
5.3 Lifestyle
No alcohol
6 STUDY TREATMENT
Tablets
"""


def test_the_longest_part_below_headings_of_criteria_is_found() -> None:
    place = find_criteria(PROTOCOL)

    assert place is not None
    words = place.words(PROTOCOL)
    assert words.startswith("5.1 Inclusion Criteria\nGLY-302")
    assert words.endswith("6. Signed consent\n5.2 Exclusion Criteria\n1. Pregnancy")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("# Aims\nx\n# Inclusion Criteria\n* a\n* b\n# Sites\n", "# Inclusion Criteria\n* a\n* b"),
        ("Inclusion Criteria\na\nSTUDY TREATMENT\nb", "Inclusion Criteria\na"),
        ("Inclusion Criteria\na\n6.1 Treatment\nb", "Inclusion Criteria\na"),
        ("4 Eligibility Criteria\n3. a\n4. b\n5. C d\n5 TABLETS", None),
        ("Nothing about patients\n1 Aims", ""),
    ],
)
def test_a_part_ends_where_the_next_chapter_begins(text: str, words: str | None) -> None:
    place = find_criteria(text)

    if words is None:
        words = text.removesuffix("\n5 TABLETS")
    assert (place.words(text) if place else "") == words


def test_a_heading_without_a_blank_line_before_it_begins_a_section() -> None:
    text = "Inclusion Criteria\n1. Age 18 or older\n5.2 Exclusion Criteria\n1. Pregnancy"

    found = split(text)

    assert [each.section for each in found.statements] == ["inclusion", "exclusion"]
    wrapped = split("Exclusion Criteria\n* Does not meet the\ninclusion criteria")
    assert len(wrapped.statements) == 1
