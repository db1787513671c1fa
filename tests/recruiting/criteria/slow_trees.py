"""What groups of criteria and whole studies mean, for the slow evaluator: by counting.

A truth is True, False or None for unknown.
"""

from collections.abc import Callable, Sequence
from typing import Any

Truth = bool | None
TruthOf = Callable[[dict[str, Any]], Truth]
GROUPS = ("all", "any", "not", "count", "when")


def leaves_of(tree: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the leaves of a tree, in their order."""
    if "when" in tree:
        return leaves_of(tree["when"]) + leaves_of(tree["then"])
    [(kind, what)] = tree.items()
    if kind not in GROUPS:
        return [tree]
    children = what["of"] if kind == "count" else [what] if kind == "not" else what
    return [leaf for child in children for leaf in leaves_of(child)]


def truth_of_tree(tree: dict[str, Any], truth_of: TruthOf, *, excludes: bool = False) -> Truth:
    """Return the truth of a tree from that of its leaves."""
    if "when" in tree:
        asked, found = (truth_of_tree(tree[name], truth_of) for name in ("when", "then"))
        if excludes:
            return _all([asked, found])
        return _any([_not(asked), found])
    [(kind, what)] = tree.items()
    if kind == "not":
        return _not(truth_of_tree(what, truth_of))
    if kind in ("all", "any"):
        found_each = [truth_of_tree(child, truth_of) for child in what]
        return _all(found_each) if kind == "all" else _any(found_each)
    if kind == "count":
        return _count(what, [truth_of_tree(child, truth_of) for child in what["of"]])
    return truth_of(tree)


def verdict_of(criteria: Sequence[tuple[str, bool, Truth]]) -> str:
    """Return the verdict of a living patient from the kind, hardness and truth of criteria."""
    passes = [
        (hard, truth if kind == "inclusion" else _not(truth)) for kind, hard, truth in criteria
    ]
    if any(passing is False for hard, passing in passes if hard):
        return "ineligible"
    return "eligible" if all(passing is True for _, passing in passes) else "potential"


def _not(truth: Truth) -> Truth:
    return None if truth is None else not truth


def _all(truths: Sequence[Truth]) -> Truth:
    if False in truths:
        return False
    return None if None in truths else True


def _any(truths: Sequence[Truth]) -> Truth:
    if True in truths:
        return True
    return None if None in truths else False


def _count(what: dict[str, Any], truths: Sequence[Truth]) -> Truth:
    """Return whether a number of truths is met, whatever the unknown ones are."""
    least = what.get("exactly", what.get("at_least", 0))
    most = what.get("exactly", what.get("at_most", len(truths)))
    fewest = truths.count(True)
    possible = range(fewest, fewest + truths.count(None) + 1)
    answers = {least <= number <= most for number in possible}
    return answers.pop() if len(answers) == 1 else None
