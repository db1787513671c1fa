"""The rules' reader: it reads each statement, and joins the statements of a list."""

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from trially.recruiting.criteria.language.criteria import Side, parse_expression
from trially.recruiting.criteria.language.problems import CriteriaError
from trially.recruiting.drafting.places import Place
from trially.recruiting.drafting.reading.composing import Composed, compose
from trially.recruiting.drafting.reading.elements import Assumption, Element, Json, Piece
from trially.recruiting.drafting.reading.introductions import (
    Introduction,
    Quantifier,
    asks_nothing,
    find_introduction,
    is_neutral,
)
from trially.recruiting.drafting.reading.readings import Extent, Part, Reading
from trially.recruiting.drafting.reading.scanning import scan
from trially.recruiting.drafting.simple_text import SimpleText, simplify
from trially.recruiting.drafting.splitting.statements import Section, SplitText, Statement

LONGEST_STATEMENT = 2_000
"""Longer statements are not read: their rules would need a person anyway."""

_MUST_NOT = re.compile(r"(?<![a-z])(?:must|should|shall|may|will|can) ?not(?![a-z])")


@dataclass(frozen=True)
class Rules:
    """The reader that is called by default. It is plain Python and asks nothing outside."""

    value_sets: AbstractSet[str] = frozenset()
    """Names of the tenant's value sets. Those of known conditions and medications replace codes."""
    name: str = "rules"
    version: str = "2"

    def read(self, split: SplitText) -> Sequence[Reading]:
        """Return the readings of all statements of a text."""
        own = [self._own(split, statement) for statement in split.statements]
        unclear = _unclear_lists(split, own)
        readings: list[Reading] = []
        for statement, words in zip(split.statements, own, strict=True):
            readings.append(self._reading(split, statement, words, own, unclear))
        return _demote(split, readings)

    def _own(self, split: SplitText, statement: Statement) -> "_Own":
        """Return what a statement says by itself, without those below it."""
        if statement.place.end - statement.place.start > LONGEST_STATEMENT:
            return _Own(None, None, None)
        simple = simplify(split.text, statement.place)
        if asks_nothing(simple.text):
            return _Own(simple, None, None, is_nothing=True)
        has_children = bool(split.children(statement))
        introduction = find_introduction(simple.text)
        if introduction is None or not (has_children or simple.text.endswith(":")):
            elements = scan(simple.text, split.words(statement), self.value_sets)
            return _Own(simple, compose(elements, statement.section), None)
        cut = introduction.place
        before = simple.text[: cut.start].rstrip(" (:,-")
        rest = simple.text[cut.end :].strip(" .:)")
        text = before + " " * (len(simple.text) - len(before)) if not rest else simple.text
        is_nothing = is_neutral(text.strip())
        elements = [] if is_nothing else scan(text, split.words(statement), self.value_sets)
        composed = compose(elements, statement.section)
        return _Own(simple, composed, introduction, is_nothing=is_nothing)

    def _reading(
        self,
        split: SplitText,
        statement: Statement,
        own: "_Own",
        all_own: Sequence["_Own"],
        unclear: AbstractSet[int],
    ) -> Reading:
        composed, simple = own.composed, own.simple
        if simple is None:
            return self._unread(statement, "The statement is too long.")
        parts = tuple(_part(split, simple, piece) for piece in composed.pieces) if composed else ()
        left_out = _left_out(simple, composed)
        children = split.children(statement)
        if own.is_nothing and not children:
            is_list = own.introduction is not None and statement.number in unclear
            reason = "It introduces a list whose end is not clear." if is_list else None
            extent = Extent.UNREAD if is_list else Extent.NOTHING
            return replace(self._unread(statement, reason), extent=extent)
        criterion = _whole(split, statement, all_own)
        reason = _reason(statement, own, unclear)
        if criterion is not None and not _is_valid(criterion, statement):
            criterion, reason = None, "The criteria language cannot say it, or it is too large."
        if criterion is not None and reason is None:
            assumed = _assumptions(split, statement, all_own)
            extent = Extent.WHOLE
        else:
            criterion, assumed = None, composed.assumptions if composed else frozenset()
            extent = Extent.PARTLY if parts else Extent.UNREAD
        if statement.section is Section.UNSTATED and criterion is not None:
            assumed |= {Assumption.SECTION}
        return Reading(
            statement.number,
            extent,
            criterion,
            parts,
            left_out,
            reason,
            tuple(sorted(assumed)),
            self.name,
            self.version,
        )

    def _unread(self, statement: Statement, reason: str | None) -> Reading:
        return Reading(
            statement.number, Extent.UNREAD, None, (), (), reason, (), self.name, self.version
        )


@dataclass(frozen=True, slots=True)
class _Own:
    """What a statement says by itself."""

    simple: SimpleText | None
    composed: Composed | None
    introduction: Introduction | None
    is_nothing: bool = False

    @property
    def is_read(self) -> bool:
        """Whether all of its words are read."""
        if self.is_nothing:
            return True
        composed = self.composed
        return composed is not None and not composed.left_out and not composed.is_unclear


def _whole(split: SplitText, statement: Statement, own: Sequence[_Own]) -> Json | None:
    """Return the criterion of a statement with all below it, or None if a part is unread."""
    mine = own[statement.number - 1]
    if not mine.is_read:
        return None
    alone = mine.composed.criterion if mine.composed else None
    children = split.children(statement)
    if not children:
        return alone if mine.introduction is None else None
    parts = [_whole(split, child, own) for child in children]
    if any(part is None for part in parts):
        return None
    group = _group(mine.introduction, [part for part in parts if part is not None], statement)
    if group is None:
        return None
    return group if alone is None else {"all": [alone, group]}


def _group(
    introduction: Introduction | None, parts: list[Json], statement: Statement
) -> Json | None:
    """Return the statements below one as its introduction joins them."""
    quantifier = introduction.quantifier if introduction else Quantifier.UNSTATED
    if quantifier is Quantifier.COUNT and introduction is not None:
        return {"count": {"at_least": introduction.number, "of": parts}}
    if quantifier is Quantifier.UNSTATED:
        if introduction is None or statement.section is not Section.EXCLUSION:
            return None
        quantifier = Quantifier.ANY
    return parts[0] if len(parts) == 1 else {quantifier.value: parts}


def _unclear_lists(split: SplitText, own: Sequence[_Own]) -> set[int]:
    """Return the statements after an introduction whose list does not stand below it.

    Only where all of an inclusion's list, or any of an exclusion's, is asked, its end is no matter.
    """
    unclear: set[int] = set()
    open_lists: set[tuple[Section, str | None]] = set()
    for statement, words in zip(split.statements, own, strict=True):
        place = (statement.section, statement.group)
        if place in open_lists:
            unclear.add(statement.number)
        if words.introduction is None or split.children(statement):
            continue
        is_exclusion = statement.section is Section.EXCLUSION
        harmless = {Quantifier.ANY if is_exclusion else Quantifier.ALL, Quantifier.UNSTATED}
        if words.is_nothing and words.introduction.quantifier in harmless:
            continue
        open_lists.add(place)
        unclear.add(statement.number)
    return unclear


def _demote(split: SplitText, readings: Sequence[Reading]) -> list[Reading]:
    """Return the readings, with statements below an unread one as read partly."""
    checked = list(readings)
    for index, statement in enumerate(split.statements):
        above = [checked[other.number - 1] for other in split.ancestors(statement)]
        reading = checked[index]
        if reading.extent is not Extent.WHOLE or not above:
            continue
        if any(each.extent is not Extent.WHOLE for each in above):
            reason = "The statement above it is not read as a whole."
            extent = Extent.PARTLY if reading.parts else Extent.UNREAD
            checked[index] = replace(
                reading, extent=extent, criterion=None, reason=reason, assumptions=()
            )
        else:
            checked[index] = replace(reading, criterion=None)
    return checked


def _reason(statement: Statement, own: _Own, unclear: AbstractSet[int]) -> str | None:
    """Return why a statement cannot become a criterion, although its words are read."""
    if statement.group is not None:
        return f"It applies only to a group: {statement.group}."
    if statement.is_alternative:
        return "It is one of several alternatives."
    if statement.number in unclear:
        return "It may belong to a list whose end is not clear."
    is_exclusion = statement.section is Section.EXCLUSION
    if is_exclusion and own.simple is not None and _MUST_NOT.search(own.simple.text):
        return "It is below exclusions, and says what must not be: its direction is not clear."
    if own.composed is not None and own.composed.is_unclear:
        return "The words do not say clearly how the parts are joined."
    return None


def _is_valid(criterion: Json, statement: Statement) -> bool:
    """Return whether the language accepts a criterion: its size, and its bounds."""
    is_exclusion = statement.section is Section.EXCLUSION
    try:
        parse_expression(criterion, Side.EXCLUSION if is_exclusion else Side.INCLUSION)
    except CriteriaError:
        return False
    return True


def _assumptions(
    split: SplitText, statement: Statement, own: Sequence[_Own]
) -> frozenset[Assumption]:
    composed = own[statement.number - 1].composed
    found = composed.assumptions if composed else frozenset()
    for child in split.children(statement):
        found |= _assumptions(split, child, own)
    return found


def _part(split: SplitText, simple: SimpleText, piece: Piece) -> Part:
    place = simple.place(piece.start, piece.end)
    return Part(
        piece.kind,
        piece.key,
        piece.criterion,
        piece.is_negated,
        piece.has_window,
        place,
        place.words(split.text),
    )


def _left_out(simple: SimpleText, composed: Composed | None) -> tuple[Place, ...]:
    """Return the original places of unread words, neighbours as one."""
    elements: list[Element] = sorted(composed.left_out, key=_start) if composed else []
    places: list[Place] = []
    for element in elements:
        place = simple.place(element.start, element.end)
        if places and place.start <= places[-1].end + 1:
            place = Place(places.pop().start, place.end)
        places.append(place)
    return tuple(places)


def _start(element: Element) -> int:
    return element.start
