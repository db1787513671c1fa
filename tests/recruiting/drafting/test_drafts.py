"""Drafts of whole texts: lists, groups, registries' fields, and other readers."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from trially.recruiting.criteria.language.criteria import CRITERION, parse_criteria
from trially.recruiting.drafting.drafts import LONGEST_TEXT, Draft, DraftError, draft
from trially.recruiting.drafting.places import Place
from trially.recruiting.drafting.reading.readings import Extent, Reading
from trially.recruiting.drafting.reading.rules import Rules
from trially.recruiting.drafting.registry_fields import propose_from_fields
from trially.recruiting.drafting.splitting.statements import SplitText

TEXT = """Inclusion Criteria:

* Age 18 or older
* Able to use a smartphone

Exclusion Criteria:

* Any of the following:
  * stroke
  * heart failure
* Uncontrolled asthma
"""


def extents(made: Draft) -> list[Extent]:
    return [reading.extent for reading in made.readings]


def test_a_draft_has_a_criterion_for_each_statement_with_its_words() -> None:
    criteria = list(draft(TEXT).criteria("protocol"))

    assert [each["kind"] for each in criteria] == ["inclusion"] * 2 + ["exclusion"] * 2
    kinds = [next(iter(each["expression"])) for each in criteria]
    assert kinds == ["age", "unsupported", "any", "unsupported"]
    assert len(criteria[2]["expression"]["any"]) == 2
    assert criteria[3]["expression"]["unsupported"] == {
        "text": "Uncontrolled asthma",
        "reason": "Only a part was read: condition.",
    }
    for each in criteria:
        source = each["source"]
        assert TEXT[source["start"] : source["end"]] == source["text"]
    assert len(parse_criteria({"schema": 1, "criteria": criteria}).criteria) == 4


@pytest.mark.parametrize(
    ("introduction", "group"),
    [
        ("At least one of the following:", "any"),
        ("Either of the following", "any"),
        ("All of the following criteria:", "all"),
        ("At least two of the following:", "count"),
    ],
)
def test_an_introduction_joins_the_statements_below_it(introduction: str, group: str) -> None:
    made = draft(f"Inclusion Criteria:\n\n* {introduction}\n  * stroke\n  * asthma\n  * COPD")

    criterion = made.readings[0].criterion
    assert extents(made) == [Extent.WHOLE] * 4
    assert criterion is not None
    assert list(criterion) == [group]
    assert all(reading.criterion is None for reading in made.readings[1:])


def test_a_statement_and_its_list_are_both_required() -> None:
    made = draft(
        "Inclusion Criteria:\n* Type 2 diabetes with any of the following:\n  * stroke\n  * asthma"
    )

    criterion = made.readings[0].criterion
    assert criterion is not None
    assert list(criterion["all"][0]) == ["condition"]
    assert len(criterion["all"][1]["any"]) == 2


def test_one_unread_statement_of_a_list_leaves_all_of_it_unread() -> None:
    made = draft("Inclusion Criteria:\n* One of the following:\n  * stroke\n  * a blue phone")

    assert extents(made) == [Extent.UNREAD, Extent.PARTLY, Extent.UNREAD]
    assert made.readings[1].reason == "The statement above it is not read as a whole."


def test_an_open_list_makes_the_statements_after_it_unclear() -> None:
    made = draft("Inclusion Criteria:\n* One of the following:\n* stroke\n* asthma")
    neutral = draft("Exclusion Criteria:\n* Any of the following:\n* stroke\n* asthma")

    assert extents(made) == [Extent.UNREAD, Extent.PARTLY, Extent.PARTLY]
    assert extents(neutral) == [Extent.NOTHING, Extent.WHOLE, Extent.WHOLE]


def test_statements_of_a_group_or_an_alternative_are_never_whole() -> None:
    group = draft("Inclusion Criteria (Controls):\n* Asthma")
    alternative = draft("Inclusion Criteria:\n* Asthma\n\nOR\n\n* COPD")

    assert group.readings[0].reason == "It applies only to a group: inclusion criteria (controls)."
    assert extents(group) == [Extent.PARTLY]
    assert extents(alternative) == [Extent.PARTLY, Extent.PARTLY]


def test_a_criterion_that_the_language_refuses_is_not_whole() -> None:
    many = ", ".join(["stroke", "asthma", "COPD", "gout"] * 60)

    [reading] = draft(f"Exclusion Criteria:\n* {many}").readings

    assert reading.extent is Extent.PARTLY
    assert reading.reason == "The criteria language cannot say it, or it is too large."


@pytest.mark.parametrize(
    ("fields", "criteria"),
    [
        ({"minimumAge": "18 Years"}, [{"age": {"gte": 18}}]),
        ({"maximumAge": "65 Years", "sex": "ALL"}, [{"age": {"lte": 65}}]),
        ({"minimumAge": "6 Months"}, [{"age": {"gte": 6, "unit": "mo"}}]),
        (
            {"minimumAge": "1 Day", "maximumAge": "4 Weeks"},
            [{"age": {"gte": 1, "unit": "d"}}, {"age": {"lte": 4, "unit": "wk"}}],
        ),
        ({"sex": "FEMALE"}, [{"sex": {"in": ["female"]}}]),
        ({"minimumAge": "N/A"}, []),
        ({}, []),
        ({"minimumAge": "18 Minutes"}, [None]),
        ({"maximumAge": "old"}, [None]),
        ({"maximumAge": "999 Years"}, [None]),
    ],
)  # fmt: skip
def test_fields_of_a_registry_give_proposals(fields: dict[str, str], criteria: list[Any]) -> None:
    proposals = list(propose_from_fields(fields))

    assert [each.criterion for each in proposals] == criteria
    assert [each.reason is None for each in proposals] == [each is not None for each in criteria]
    assert tuple(proposals) == draft("Asthma", fields).fields


class OtherReader:
    """A reader that finds an age everywhere, and can break its contract."""

    name = "other"
    version = "7"

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        self.calls = 0

    def read(self, split: SplitText) -> Sequence[Reading]:
        """Return an age for each statement."""
        self.calls += 1
        readings = [
            replace(
                reading,
                reader=self.name,
                version=self.version,
                extent=Extent.PARTLY if self.fault == "part" else Extent.WHOLE,
                criterion={"age": {"gte": "x" if self.fault == "language" else 30}},
                left_out=(Place(0, 1),) if self.fault == "place" else (),
            )
            for reading in Rules().read(split)
        ]
        return readings[1:] if self.fault == "missing" else readings


def test_another_reader_is_called_only_if_it_is_passed() -> None:
    reader = OtherReader()

    assert draft(TEXT).readings[0].reader == "rules"
    assert reader.calls == 0
    made = draft(TEXT, reader=reader)

    assert reader.calls == 1
    assert {(each.reader, each.version) for each in made.readings} == {("other", "7")}
    assert next(made.criteria("protocol"))["id"] == "other-1"


@pytest.mark.parametrize(
    ("fault", "detail"),
    [
        ("missing", "did not return one reading for each statement"),
        ("language", "is not valid: /age/gte: 'x' is not a whole number."),
        ("place", "A place of statement 1 is outside of it."),
        ("part", "Statement 1 is not read as a whole."),
    ],
)
def test_readings_that_break_the_contract_are_refused(fault: str, detail: str) -> None:
    with pytest.raises(DraftError, match=detail):
        draft(TEXT, reader=OtherReader(fault))


def test_a_text_that_is_too_long_is_refused() -> None:
    with pytest.raises(DraftError, match=f"at most {LONGEST_TEXT} are read"):
        draft("x" * (LONGEST_TEXT + 1))


def test_real_texts_give_criteria_that_the_language_accepts(shared_data: Path) -> None:
    studies = pytest.importorskip("benchmarks.eligibility_texts").read_studies()

    statements = 0
    for study in studies:
        made = draft(study.text, study.eligibility)
        for criterion in made.criteria(study.nct_id):
            CRITERION.parse(criterion, "")
            source = criterion["source"]
            assert study.text[source["start"] : source["end"]] == source["text"]
        statements += len(made.readings)
    assert statements > 2_000
