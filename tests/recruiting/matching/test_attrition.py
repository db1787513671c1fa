"""Attrition counts each patient once, whatever criteria are soft or switched off."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trially.recruiting.criteria.evaluation.folding import Bits
from trially.recruiting.matching.bits import pack, set_of, unpack
from trially.recruiting.matching.verdicts import Counts, Judged, Verdicts

SIZE = 12
UNIVERSE = 0b1011_1101_1111  # Some ordinals are no longer used.

MET, UNDECIDED, NOT_MET = 1, 0, -1

results = st.lists(st.sampled_from((MET, UNDECIDED, NOT_MET)), min_size=SIZE, max_size=SIZE)


def bits_of(each: list[int]) -> Bits:
    met = set_of(number for number, result in enumerate(each) if result == MET)
    not_met = set_of(number for number, result in enumerate(each) if result == NOT_MET)
    return Bits(met & UNIVERSE, not_met & UNIVERSE)


@given(st.lists(st.booleans(), max_size=40))
def test_packing_keeps_each_flag(flags: list[bool]) -> None:
    packed = pack(np.array(flags, np.bool_))

    assert unpack(packed, len(flags)).tolist() == flags
    assert packed == sum(1 << number for number, flag in enumerate(flags) if flag)
    assert packed == set_of(number for number, flag in enumerate(flags) if flag)


@given(
    st.lists(st.tuples(results, st.booleans()), max_size=5),
    st.sets(st.integers(0, 4)),
    st.sets(st.integers(0, 4)),
)
def test_attrition_counts_each_patient_by_hand(
    criteria: list[tuple[list[int], bool]], soft: set[int], off: set[int]
) -> None:
    judged = [Judged.of(bits_of(each), is_exclusion=out) for each, out in criteria]
    verdicts = Verdicts(UNIVERSE, judged, soft=soft, off=off)

    def count(numbers: list[int]) -> Counts:
        counts = {MET: 0, UNDECIDED: 0, NOT_MET: 0}
        for patient in (number for number in range(SIZE) if UNIVERSE >> number & 1):
            passes = [
                max(passing, UNDECIDED) if number in soft else passing
                for number, (each, out) in enumerate(criteria)
                if number in numbers and number not in off
                for passing in [-each[patient] if out else each[patient]]
            ]
            counts[min(passes, default=MET)] += 1
        return Counts(counts[MET], counts[UNDECIDED], counts[NOT_MET])

    every = list(range(len(criteria)))
    assert verdicts.counts == count(every)
    sets = (verdicts.eligible, verdicts.potential, verdicts.ineligible)
    assert Counts(*(members.bit_count() for members in sets)) == verdicts.counts
    for number, step in enumerate(verdicts.attrition()):
        assert step.remaining == count(every[: number + 1])
        assert step.without == count(every[:number] + every[number + 1 :])
