"""Which leaves must change so that a patient satisfies a criterion."""

from collections.abc import Mapping
from itertools import combinations

from trially.recruiting.criteria.evaluation.folding import BITS_OF, Bits, Results
from trially.recruiting.criteria.evaluation.verdicts import Rule
from trially.recruiting.criteria.judgements import Outcome
from trially.recruiting.criteria.language.criteria import Side
from trially.recruiting.criteria.language.nodes import Count, Group, Node, Not, When
from trially.recruiting.criteria.language.person_leaves import Leaf

MOST_ALTERNATIVES = 8
"""Ways to satisfy a criterion that are listed."""

MOST_PAIRED = 12
"""Leaves of a criterion up to which all changes of two of them are tried."""

Flip = tuple[tuple[int, Outcome], ...]
"""Leaves by their indices, and what they must become."""


def is_satisfied(rule: Rule, results: Results) -> bool:
    """Return whether results of leaves satisfy a criterion."""
    if rule.fold is None:
        return False
    bits = rule.fold(results, 1)
    return bool(bits.met if rule.criterion.kind == Side.INCLUSION else bits.not_met)


def smallest_flips(rule: Rule, results: Results) -> list[Flip]:
    """Return the changes of one leaf that satisfy a criterion, else of two, else of more.

    Of changes of more than two leaves, one is returned that is not larger than needed.
    """
    tree = rule.criterion.expression
    if tree is not None and isinstance(tree.what, Leaf):
        wanted = Outcome.MET if rule.criterion.kind == Side.INCLUSION else Outcome.NOT_MET
        return [((rule.indices[0], wanted),)]
    own = {index: results[index] for index in rule.indices}
    single = [
        (index, outcome)
        for index, bits in own.items()
        for outcome in (Outcome.MET, Outcome.NOT_MET)
        if bits != BITS_OF[outcome]
    ]
    for size in (1, 2) if len(own) <= MOST_PAIRED else (1,):
        found = [
            flip
            for flip in combinations(single, size)
            if len({index for index, _ in flip}) == size and is_satisfied(rule, _with(own, flip))
        ]
        if found:
            return found[:MOST_ALTERNATIVES]
    return _needed_flip(rule, own)


def _needed_flip(rule: Rule, results: Mapping[int, Bits]) -> list[Flip]:
    """Return one change of many leaves, without those that it does not need."""
    tree = rule.criterion.expression
    if tree is None:
        return []
    wanted: dict[Leaf, set[Outcome]] = {}
    _collect_wanted(tree, wanted, is_met=rule.criterion.kind == Side.INCLUSION, is_root=True)
    leaves = [leaf for _, leaf in tree.leaves()]
    flip = {
        index: outcome
        for index, leaf in zip(rule.indices, leaves, strict=True)
        for outcome in wanted[leaf]
        if len(wanted[leaf]) == 1 and results[index] != BITS_OF[outcome]
    }
    if not is_satisfied(rule, _with(results, tuple(flip.items()))):
        return []
    for index, outcome in list(flip.items()):
        del flip[index]
        if not is_satisfied(rule, _with(results, tuple(flip.items()))):
            flip[index] = outcome
    return [tuple(flip.items())]


def _collect_wanted(
    node: Node, wanted: dict[Leaf, set[Outcome]], *, is_met: bool, is_root: bool = False
) -> None:
    """Collect what each leaf must become, so that a node is met, or is not met.

    The outermost `when` of an exclusion excludes those for whom both of its parts are met.
    """
    what = node.what
    if isinstance(what, Leaf):
        wanted.setdefault(what, set()).add(Outcome.MET if is_met else Outcome.NOT_MET)
    elif isinstance(what, Not):
        _collect_wanted(what.of, wanted, is_met=not is_met)
    elif isinstance(what, When):
        excludes = is_root and not is_met
        _collect_wanted(what.when, wanted, is_met=is_met if excludes else not is_met)
        _collect_wanted(what.then, wanted, is_met=is_met)
    elif isinstance(what, Group):
        ways = {is_met}
        if isinstance(what, Count) and what.most < len(what.of):
            ways = {not is_met} if what.least == 0 else {True, False}
        for _, child in what.children():
            for way in ways:
                _collect_wanted(child, wanted, is_met=way)


def _with(results: Mapping[int, Bits], flip: Flip) -> Mapping[int, Bits]:
    return {**results, **{index: BITS_OF[outcome] for index, outcome in flip}}
