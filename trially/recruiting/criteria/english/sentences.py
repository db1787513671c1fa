"""Trees of criteria as English: each leaf is a sentence, and groups are lists of them."""

from collections.abc import Callable, Iterator
from typing import Any

from trially.recruiting.criteria.english.words import (
    Names,
    bounds_text,
    counted,
    joined,
    number_text,
    window_text,
)
from trially.recruiting.criteria.language.codes import NO_CODES
from trially.recruiting.criteria.language.criteria import Criterion, Side
from trially.recruiting.criteria.language.nodes import AllOf, AnyOf, Count, Node, Not, When
from trially.recruiting.criteria.language.objects import keys_of
from trially.recruiting.criteria.language.parts import Missing, Window
from trially.recruiting.criteria.language.person_leaves import (
    Age,
    AgeUnit,
    Deceased,
    Distance,
    DistanceUnit,
    Enrollment,
    Leaf,
    Manual,
    Sex,
    Unsupported,
)
from trially.recruiting.criteria.language.record_leaves import (
    Allergy,
    Condition,
    Encounter,
    Immunization,
    Medication,
    Observation,
    Pick,
    Pregnancy,
    Procedure,
    RecordLeaf,
    Status,
)

_AGES = {
    AgeUnit.YEARS: "years",
    AgeUnit.MONTHS: "months",
    AgeUnit.WEEKS: "weeks",
    AgeUnit.DAYS: "days",
}
_PICKED = {
    Pick.LATEST: "The most recent",
    Pick.EARLIEST: "The first",
    Pick.MAX: "The highest",
    Pick.MIN: "The lowest",
    Pick.ANY: "Any",
    Pick.ALL: "Each",
}
_POLICIES = {
    Missing.UNKNOWN: "unknown",
    Missing.NOT_MET: "not met",
    Missing.COVERED: "not met, if other records are recent",
}


def describe_criterion(criterion: Criterion, names: Names) -> str:
    """Return a criterion as English: `Inclusion: …`."""
    side = "Inclusion" if criterion.kind == Side.INCLUSION else "Exclusion"
    return f"{side}: {describe_asked(criterion, names)}"


def describe_asked(criterion: Criterion, names: Names) -> str:
    """Return what a criterion asks as English, without whether patients must meet it."""
    if criterion.expression is None:
        return f"A person decides: {asked_of_people(criterion)}"
    tree = criterion.expression
    return names.once("asked", criterion, lambda: describe(tree, names))


def asked_of_people(criterion: Criterion) -> str:
    """Return the statement of a criterion without an expression."""
    return criterion.source.text if criterion.source else criterion.label or criterion.id


def describe(tree: Node, names: Names) -> str:
    """Return a tree as English: one sentence, or a list of them with one line for each."""
    return "\n".join("  " * depth + text for depth, text in _lines(tree, names, 0, ""))


def _lines(node: Node, names: Names, depth: int, bullet: str) -> Iterator[tuple[int, str]]:
    what = node.what
    if isinstance(what, Leaf):
        yield depth, f"{bullet}{describe_leaf(what, names)}"
    elif isinstance(what, Not) and isinstance(what.of.what, Leaf):
        yield depth, f"{bullet}Not: {describe_leaf(what.of.what, names)}"
    elif isinstance(what, When):
        yield depth, f"{bullet}If this is met:"
        yield from _lines(what.when, names, depth + 1, "- ")
        yield depth, f"{'  ' if bullet else ''}then this, too:"
        yield from _lines(what.then, names, depth + 1, "- ")
    elif isinstance(what, AllOf | AnyOf | Not | Count):
        yield depth, f"{bullet}{_heading(what)}"
        for _, child in what.children():
            yield from _lines(child, names, depth + 1, "- ")


def _heading(group: AllOf | AnyOf | Not | Count) -> str:
    if isinstance(group, AllOf):
        return "All of these:"
    if isinstance(group, AnyOf):
        return "At least one of these:"
    if isinstance(group, Not):
        return "Not this:"
    if group.exactly is not None:
        return f"Exactly {group.exactly} of these:"
    parts = [("at least", group.at_least), ("at most", group.at_most)]
    words = [f"{word} {number}" for word, number in parts if number is not None]
    return f"{' and '.join(words).capitalize()} of these:"


def describe_leaf(leaf: Leaf, names: Names) -> str:
    """Return a leaf as one English sentence, with its policy if it is not the usual one."""
    return names.once("sentence", leaf, lambda: _describe_leaf(leaf, names))


def _describe_leaf(leaf: Leaf, names: Names) -> str:
    sentence = _SENTENCES[type(leaf)](leaf, names)
    missing = getattr(leaf, "missing", None)
    if missing is None or missing == keys_of(type(leaf))["missing"].default:
        return f"{sentence}."
    return f"{sentence} (without a record: {_POLICIES[missing]})."


def _age(leaf: Age, names: Names) -> str:  # noqa: ARG001
    return f"The patient is {bounds_text(leaf.bounds, '')} {_AGES[leaf.unit]} old"


def _sex(leaf: Sex, names: Names) -> str:  # noqa: ARG001
    return f"The patient's administrative sex is {joined([each.value for each in leaf.in_], 'or')}"


def _deceased(leaf: Deceased, names: Names) -> str:  # noqa: ARG001
    return "The patient has died" if leaf.is_ else "The patient is alive"


def _began(window: Window | None, verb: str) -> str:
    return f", {verb}{window_text(window)}" if window is not None else ""


def _times(leaf: RecordLeaf) -> str:
    return "" if leaf.min_count == 1 else f", on at least {leaf.min_count} different days"


def _condition(leaf: Condition | Allergy, names: Names) -> str:
    what = names.codes(leaf.in_)
    noun = "an allergy or intolerance: " if isinstance(leaf, Allergy) else ""
    verb = {Status.ACTIVE: "has active", Status.INACTIVE: "had, and no longer has,"}.get(
        leaf.status, "has or had"
    )
    return f"The patient {verb} {noun}{what}{_began(leaf.within, 'begun')}{_times(leaf)}"


def _medication(leaf: Medication, names: Names) -> str:
    verb = {Status.ACTIVE: "takes", Status.INACTIVE: "took, and no longer takes,"}.get(
        leaf.status, "takes or took"
    )
    days = "" if leaf.min_days is None else f" for at least {counted(leaf.min_days, 'day')}"
    began = _began(leaf.within, "begun")
    return f"The patient {verb} {names.codes(leaf.in_)}{days}{began}{_times(leaf)}"


def _procedure(leaf: Procedure, names: Names) -> str:
    when = window_text(leaf.within)
    return f"The patient had this procedure{when}: {names.codes(leaf.in_)}{_times(leaf)}"


def _immunization(leaf: Immunization, names: Names) -> str:
    when = window_text(leaf.within)
    return f"The patient was given this vaccine{when}: {names.codes(leaf.in_)}{_times(leaf)}"


def _encounter(leaf: Encounter, names: Names) -> str:
    classes = joined([each.value for each in leaf.class_], "or") + " " if leaf.class_ else ""
    codes = "" if leaf.in_ == NO_CODES else f": {names.codes(leaf.in_)}"
    article = "an" if classes[:1] in ("i", "e", "o", "") else "a"
    when = window_text(leaf.within)
    return f"The patient had {article} {classes}encounter{when}{codes}{_times(leaf)}"


def _observation(leaf: Observation, names: Names) -> str:
    what = names.codes(leaf.in_)
    when = window_text(leaf.within)
    if leaf.value is None:
        if leaf.min_count > 1:
            return f"There are results of {what} on at least {leaf.min_count} days{when}"
        word = _PICKED[leaf.pick].lower() if leaf.pick in (Pick.LATEST, Pick.EARLIEST) else "a"
        is_placed = leaf.pick in (Pick.LATEST, Pick.EARLIEST) and when
        return (
            f"There is {word} result of {what}, and it is from{when}"
            if is_placed
            else (f"There is a result of {what}{when}")
        )
    value = names.value(leaf.value)
    if leaf.min_count > 1:
        return f"On at least {leaf.min_count} different days{when}, {what} is {value}"
    return f"{_PICKED[leaf.pick]} {what}{when} is {value}"


def _pregnancy(leaf: Pregnancy, names: Names) -> str:  # noqa: ARG001
    return f"The patient is pregnant (recorded{window_text(leaf.within)})"


def _enrollment(leaf: Enrollment, names: Names) -> str:  # noqa: ARG001
    if leaf.within is None:
        verb = "takes part" if leaf.in_other_study else "takes no part"
        return f"The patient {verb} in another study"
    verb = "took part" if leaf.in_other_study else "took no part"
    return f"The patient {verb} in another study{window_text(leaf.within)}"


def _distance(leaf: Distance, names: Names) -> str:  # noqa: ARG001
    unit = "km" if leaf.unit == DistanceUnit.KILOMETRES else "miles"
    return f"The patient lives at most {number_text(leaf.lte)} {unit} from a site of the study"


def _manual(leaf: Manual, names: Names) -> str:  # noqa: ARG001
    return f"A person answers with yes: “{leaf.question}”"


def _unsupported(leaf: Unsupported, names: Names) -> str:  # noqa: ARG001
    return f"Not evaluated: “{leaf.text}”"


_SENTENCES: dict[type[Leaf], Callable[[Any, Names], str]] = {
    Age: _age,
    Sex: _sex,
    Deceased: _deceased,
    Condition: _condition,
    Allergy: _condition,
    Medication: _medication,
    Procedure: _procedure,
    Immunization: _immunization,
    Encounter: _encounter,
    Observation: _observation,
    Pregnancy: _pregnancy,
    Enrollment: _enrollment,
    Distance: _distance,
    Manual: _manual,
    Unsupported: _unsupported,
}
