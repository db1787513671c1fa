"""Drafts: all statements of an eligibility text with what a reader proposes for them.

A draft is not in force. Each of its criteria counts only after a person has accepted it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trially.recruiting.criteria.language.criteria import Side, parse_expression
from trially.recruiting.criteria.language.problems import CriteriaError
from trially.recruiting.drafting.places import Place
from trially.recruiting.drafting.reading.elements import Json
from trially.recruiting.drafting.reading.readings import Extent, Part, Reader, Reading
from trially.recruiting.drafting.registry_fields import FieldProposal, propose_from_fields
from trially.recruiting.drafting.splitting.splitter import split
from trially.recruiting.drafting.splitting.statements import Section, SplitText, Statement

LONGEST_TEXT = 200_000
"""Most characters of an eligibility text. The longest of a registry have about 20,000."""

MOST_WORDS = 10_000
"""Characters of a statement. The rest is left out."""

MOST_REASON = 500


class DraftError(ValueError):
    """A text cannot be drafted, or a reader broke its contract."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A statement with those below it, and what a reader proposes for all of them."""

    number: int
    side: Side
    place: Place
    words: str
    """The characters at the place, at most `MOST_WORDS`."""
    reading: Reading
    parts: tuple[Part, ...]
    """What was read of the statement and of those below it."""

    @property
    def reason(self) -> str | None:
        """Return why there is no criterion, or None if there is one."""
        if self.reading.criterion is not None:
            return None
        return (self.reading.reason or _unread(self.parts))[:MOST_REASON]


@dataclass(frozen=True, slots=True)
class Draft:
    """The statements of a text, and what a reader proposes for each of them."""

    split: SplitText
    readings: tuple[Reading, ...]
    fields: tuple[FieldProposal, ...]

    def proposals(self) -> Iterator[Proposal]:
        """Yield what a person has to accept or reject, in the order of the text.

        Statements below another are part of its proposal. Those that ask nothing are left out.
        """
        for statement, reading in zip(self.split.statements, self.readings, strict=True):
            if statement.parent is None and reading.extent is not Extent.NOTHING:
                yield self._proposal(statement, reading)

    def criteria(self, document: str) -> Iterator[Json]:
        """Yield each statement as a criterion of the language, for a person to accept.

        Statements that are not read as a whole are `unsupported`, word for word. `document` is the
        id of the text in the sources.
        """
        for proposal in self.proposals():
            unread: Json = {"unsupported": {"text": proposal.words, "reason": proposal.reason}}
            start, end = proposal.place
            yield {
                "id": f"{proposal.reading.reader}-{proposal.number}",
                "kind": proposal.side.value,
                "expression": proposal.reading.criterion or unread,
                "source": {
                    "text": proposal.words,
                    "document": document,
                    "start": start,
                    "end": end,
                },
            }

    def _proposal(self, statement: Statement, reading: Reading) -> Proposal:
        last, parts = statement, list(reading.parts)
        for other in self.split.statements[statement.number :]:
            if other.parent is None:
                break
            last = other
            parts += self.readings[other.number - 1].parts
        start = statement.place.start
        place = Place(start, min(last.place.end, start + MOST_WORDS))
        words = place.words(self.split.text)
        return Proposal(statement.number, side_of(statement), place, words, reading, tuple(parts))


def draft(
    text: str,
    eligibility: Mapping[str, Any] | None = None,
    reader: Reader | None = None,
) -> Draft:
    """Return the draft of an eligibility text, with the structured fields of a registry if given.

    The rules read unless the caller passes another reader. Its readings are checked: an expression
    that the language refuses, or a place outside of its statement, raises `DraftError`.
    """
    if len(text) > LONGEST_TEXT:
        raise DraftError(
            f"The text has {len(text)} characters, and at most {LONGEST_TEXT} are read."
        )
    parts = split(text)
    readings = tuple((reader or _rules()).read(parts))
    _check(parts, readings)
    return Draft(parts, readings, tuple(propose_from_fields(eligibility or {})))


def _rules() -> Reader:
    # Imported here: the rules compile many patterns, and only proposals need them.
    from trially.recruiting.drafting.reading.rules import Rules

    return Rules()


def side_of(statement: Statement) -> Side:
    """Return the side of a statement's criterion. Without a heading, it is an inclusion."""
    return Side.EXCLUSION if statement.section is Section.EXCLUSION else Side.INCLUSION


def _check(parts: SplitText, readings: Sequence[Reading]) -> None:
    """Refuse readings that do not fit their statements."""
    if [each.statement for each in readings] != [each.number for each in parts.statements]:
        raise DraftError(
            "The reader did not return one reading for each statement, in their order."
        )
    for statement, reading in zip(parts.statements, readings, strict=True):
        places = [part.place for part in reading.parts] + list(reading.left_out)
        if not all(place.within(statement.place) for place in places):
            raise DraftError(f"A place of statement {statement.number} is outside of it.")
        if reading.criterion is None:
            continue
        if reading.extent is not Extent.WHOLE:
            raise DraftError(f"Statement {statement.number} is not read as a whole.")
        try:
            parse_expression(reading.criterion, side_of(statement))
        except CriteriaError as error:
            detail = f"The criterion of statement {statement.number} is not valid: {error}"
            raise DraftError(detail) from error


def _unread(parts: Sequence[Part]) -> str:
    if parts:
        kinds = ", ".join(dict.fromkeys(part.kind.value for part in parts))
        return f"Only a part was read: {kinds}."
    return "No rule reads this statement."
