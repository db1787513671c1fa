"""How results of leaves are combined: Kleene's logic on sets of patients.

A set is an integer with one bit for each patient. Sets of those for whom something surely holds,
and surely does not, keep all rules symmetrical. `universe` has the bits of all patients who are
looked at; `~x` of an integer would have infinitely many others.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from trially.recruiting.criteria.judgements import Outcome
from trially.recruiting.criteria.language.nodes import AllOf, AnyOf, Count, Node, Not, When
from trially.recruiting.criteria.language.person_leaves import Leaf


class Bits(NamedTuple):
    """For which patients something is met, not met, or undecided for a reason of its own."""

    met: int
    not_met: int
    conflict: int = 0
    """Undecided, because sources contradict each other."""
    unsupported: int = 0
    """Undecided, because the language cannot say it."""
    not_applicable: int = 0
    """Satisfied, because the criterion is for others. They are among `met`."""


class Results(Protocol):
    """The results of leaves, by their indices."""

    def __getitem__(self, index: int, /) -> Bits:
        """Return the result of a leaf."""


Fold = Callable[[Results, int], Bits]
"""Combines the results of leaves, by their indices, for the patients of a universe."""


BITS_OF = {
    Outcome.MET: Bits(1, 0),
    Outcome.NOT_MET: Bits(0, 1),
    Outcome.UNKNOWN: Bits(0, 0),
    Outcome.CONFLICT: Bits(0, 0, conflict=1),
    Outcome.UNSUPPORTED: Bits(0, 0, unsupported=1),
    Outcome.NOT_APPLICABLE: Bits(1, 0, not_applicable=1),
}
"""The result of one patient, who is the only one of the universe 1."""


def outcome_of(bits: Bits) -> Outcome:
    """Return the result of the only patient of the universe 1."""
    if bits.not_applicable:
        return Outcome.NOT_APPLICABLE
    if bits.met:
        return Outcome.MET
    if bits.not_met:
        return Outcome.NOT_MET
    if bits.conflict:
        return Outcome.CONFLICT
    return Outcome.UNSUPPORTED if bits.unsupported else Outcome.UNKNOWN


def compile_fold(tree: Node, index_of: Mapping[Leaf, int], *, is_exclusion: bool = False) -> Fold:
    """Return the function of a tree, by the index of each leaf among the results.

    An exclusion that does not apply excludes nobody. So its outermost `when` and `then` mean that
    both are met. For inclusions they mean that `when` is not met, or `then` is.
    """
    what = tree.what
    if isinstance(what, Leaf):
        index = index_of[what]
        return lambda results, universe: results[index]  # noqa: ARG005
    if isinstance(what, When):
        when, then = compile_fold(what.when, index_of), compile_fold(what.then, index_of)
        return _fold_excluding_when(when, then) if is_exclusion else _fold_when(when, then)
    if isinstance(what, Not):
        return _fold_not(compile_fold(what.of, index_of))
    if not isinstance(what, AllOf | AnyOf | Count):
        raise TypeError(f"There is no rule for {type(what).__name__}.")
    children = [compile_fold(child, index_of) for child in what.of]
    if isinstance(what, Count):
        return _fold_count(children, what.least, what.most)
    return _fold_all(children) if isinstance(what, AllOf) else _fold_any(children)


def _fold_all(children: Sequence[Fold]) -> Fold:
    def fold(results: Results, universe: int) -> Bits:
        found = [child(results, universe) for child in children]
        met, not_met = universe, 0
        for bits in found:
            met &= bits.met
            not_met |= bits.not_met
        return _undecided(met, not_met, universe, found)

    return fold


def _fold_any(children: Sequence[Fold]) -> Fold:
    def fold(results: Results, universe: int) -> Bits:
        found = [child(results, universe) for child in children]
        met, not_met = 0, universe
        for bits in found:
            met |= bits.met
            not_met &= bits.not_met
        return _undecided(met, not_met, universe, found)

    return fold


def _fold_not(child: Fold) -> Fold:
    def fold(results: Results, universe: int) -> Bits:
        bits = child(results, universe)
        return Bits(bits.not_met, bits.met, bits.conflict, bits.unsupported)

    return fold


def _fold_when(when: Fold, then: Fold) -> Fold:
    def fold(results: Results, universe: int) -> Bits:
        asked, found = when(results, universe), then(results, universe)
        met = asked.not_met | found.met
        combined = _undecided(met, asked.met & found.not_met, universe, [asked, found])
        return combined._replace(not_applicable=asked.not_met)

    return fold


def _fold_excluding_when(when: Fold, then: Fold) -> Fold:
    both = _fold_all([when, then])

    def fold(results: Results, universe: int) -> Bits:
        asked = when(results, universe)
        return both(results, universe)._replace(not_applicable=asked.not_met)

    return fold


def _fold_count(children: Sequence[Fold], least: int, most: int) -> Fold:
    """Return the function of a count: how many children are met lies between two numbers."""

    def fold(results: Results, universe: int) -> Bits:
        found = [child(results, universe) for child in children]
        surely = [bits.met for bits in found]
        possibly = [universe & ~bits.not_met for bits in found]
        too_many = at_least(most + 1, surely, universe)
        not_too_many = universe & ~at_least(most + 1, possibly, universe)
        enough = at_least(least, surely, universe)
        too_few = universe & ~at_least(least, possibly, universe)
        return _undecided(enough & not_too_many, too_few | too_many, universe, found)

    return fold


def at_least(number: int, sets: Iterable[int], universe: int) -> int:
    """Return the patients who are in at least so many of the sets."""
    reached = [universe, *[0] * number]
    for each in sets:
        for count in range(number, 0, -1):
            reached[count] |= reached[count - 1] & each
    return reached[number]


def _undecided(met: int, not_met: int, universe: int, found: Iterable[Bits]) -> Bits:
    """Return the result of a group. What leaves a child undecided leaves the group so, too."""
    conflict = unsupported = 0
    for bits in found:
        conflict |= bits.conflict
        unsupported |= bits.unsupported
    if conflict or unsupported:
        undecided = universe & ~(met | not_met)
        conflict &= undecided
        unsupported &= undecided
    return Bits(met, not_met, conflict, unsupported)
