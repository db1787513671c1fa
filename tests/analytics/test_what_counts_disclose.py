"""No combination of shared numbers excludes a neighbour of a true one.

Every population of a small size is rounded as a tenant rounds, with a smaller step, so that all of
them can be tried. A reader knows all shared numbers, and how they were made.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterator

import pytest

from trially.analytics.measures import OF_WORK, VALUES, AgeBand, Measure
from trially.analytics.rounding import CMS_SMALLEST, round_down
from trially.recruiting.criteria.evaluation.verdicts import Verdict
from trially.recruiting.patients.choices import Sex
from trially.tenancy.organisations import model

STEP = 3
MOST = 3 * STEP - 1

Population = tuple[int, ...]
"""All patients, two sexes, and two ages. Patients of another sex or age are in no part."""


def populations() -> Iterator[Population]:
    for number in range(MOST + 1):
        parts = [
            pair for pair in itertools.product(range(number + 1), repeat=2) if sum(pair) <= number
        ]
        for sexes, ages in itertools.product(parts, repeat=2):
            yield (number, *sexes, *ages)


def test_each_number_may_be_any_of_its_neighbours_whatever_else_is_shared() -> None:
    alike: dict[Population, list[Population]] = defaultdict(list)
    for each in populations():
        alike[tuple(round_down(number, STEP) for number in each)].append(each)

    assert len(alike) > 40
    for shared, possible in alike.items():
        for place, least in enumerate(shared):
            values = {each[place] for each in possible}
            assert values == set(range(least, least + STEP)), (shared, place)


def test_an_exact_total_would_tell_a_small_part() -> None:
    """The test above could not fail if it did not find this."""
    alike: dict[Population, set[int]] = defaultdict(set)
    for number, female, male in itertools.product(range(MOST + 1), repeat=3):
        if female + male == number:
            alike[number, round_down(female, STEP)].add(male)

    assert min(map(len, alike.values())) == 1


def values_left(step: int, parts: tuple[int, int], above: tuple[int, int]) -> Iterator[int]:
    """Yield how many values the total and a part of each breakdown may have.

    The reader knows that each breakdown has no rest. `above` says by how many steps the total is
    above the sum of the parts of each, as they are shared.
    """
    totals = [
        total
        for total in range(step)
        if all(
            0 <= total + steps * step <= number * (step - 1)
            for number, steps in zip(parts, above, strict=True)
        )
    ]
    if not totals:
        return
    yield len(totals)
    for number, steps in zip(parts, above, strict=True):
        rests = [total + steps * step for total in totals]
        yield len(
            {
                value
                for rest in rests
                for value in range(
                    max(0, rest - (number - 1) * (step - 1)), min(step - 1, rest) + 1
                )
            }
        )


def test_six_values_are_left_to_a_reader_who_knows_that_a_breakdown_is_complete() -> None:
    parts = len(VALUES[Measure.PATIENTS_BY_SEX]), len(VALUES[Measure.PATIENTS_BY_AGE])
    left = [
        number
        for above in itertools.product(*map(range, parts))
        for number in values_left(CMS_SMALLEST, parts, above)
    ]

    assert min(left) == 6


@pytest.mark.parametrize("smaller", [11, 22])
@pytest.mark.parametrize("larger", [22, 33])
def test_a_changed_setting_leaves_as_many_values(smaller: int, larger: int) -> None:
    alike = defaultdict(set)
    for number in range(10 * 66):
        alike[round_down(number, smaller), round_down(number, larger)].add(number)

    assert min(map(len, alike.values())) >= CMS_SMALLEST


def test_the_catalog_takes_the_listed_texts_and_no_others() -> None:
    assert set(model.MEASURES) == set(map(str, Measure))
    assert set(model.VALUES) == {str(value) for values in VALUES.values() for value in values}


def test_of_each_breakdown_of_patients_some_are_in_no_part() -> None:
    assert set(VALUES[Measure.PATIENTS_BY_SEX]) < set(Sex)
    assert set(VALUES[Measure.MATCHES]) < set(Verdict)
    assert set(VALUES[Measure.PATIENTS_BY_AGE]) == set(AgeBand)  # none has an unknown birth date
    assert {each for each in Measure if each.startswith("patients_by_")} == {
        Measure.PATIENTS_BY_SEX,
        Measure.PATIENTS_BY_AGE,
    }
    assert not any(each.startswith(("patients", "matches")) for each in OF_WORK)
