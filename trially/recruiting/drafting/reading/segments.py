"""Segments of a statement: pieces that share a negation and a time, and how they are joined."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from trially.recruiting.drafting.knowledge.kinds import Kind
from trially.recruiting.drafting.reading.elements import (
    MEASURED,
    Element,
    Piece,
    Role,
    Window,
    Word,
)
from trially.recruiting.drafting.reading.timing import (
    apply_window,
    measured_within,
    needs_time,
    with_status,
)

_JOINTS = frozenset({Role.AND, Role.OR, Role.COMMA, Role.OPEN})
_TAKEN = frozenset({Kind.MEDICATION, Kind.PROCEDURE, Kind.ALLERGY, Kind.ENROLLMENT})
_AGES = frozenset({Kind.AGE, Kind.SEX})


@dataclass
class Segment:
    """Pieces between two breaks, and the words that join them."""

    joint: Role | None
    """What joins this segment with the one before."""
    is_negated: bool = False
    pieces: list[Piece] = field(default_factory=list)
    joints: list[set[Role]] = field(default_factory=list)
    """For each piece after the first, the words between it and the one before."""
    pending: set[Role] = field(default_factory=set)
    window: Window | None = None
    is_current: bool = False
    is_past: bool = False


@dataclass
class Segmented:
    """The segments of a statement, and what could not be read."""

    segments: list[Segment]
    left_out: list[Element]


def segment(elements: Sequence[Element]) -> Segmented:
    """Return the segments of a statement's elements."""
    reader = _Reader()
    has_age = any(isinstance(each, Piece) and each.kind is Kind.AGE for each in elements)
    is_taken = any(isinstance(each, Piece) and each.kind in _TAKEN for each in elements)
    for element in elements:
        reader.read(element, has_age=has_age, is_taken=is_taken)
    reader.close()
    return Segmented([each for each in reader.segments if each.pieces], reader.left_out)


class _Reader:
    def __init__(self) -> None:
        self.segments = [Segment(None)]
        self.left_out: list[Element] = []

    @property
    def now(self) -> Segment:
        return self.segments[-1]

    def read(self, element: Element, *, has_age: bool, is_taken: bool) -> None:
        """Take the next element."""
        if isinstance(element, Piece):
            self._take_piece(element)
        elif isinstance(element, Window):
            self._take_window(element)
        elif (
            element.role in (Role.OTHER, Role.BLOCK)
            or (element.role is Role.MINOR and not has_age)
            or (element.role in (Role.TAKING, Role.TOOK) and not is_taken)
            or (element.role is Role.DUTY and self.now.pieces and not self.now.pending)
        ):
            self.left_out.append(element)
        else:
            self._take_word(element)

    def _take_word(self, word: Word) -> None:
        now = self.now
        if word.role in _JOINTS:
            now.pending.add(word.role)
        elif word.role is Role.NEGATION:
            self._negate(word)
        elif word.role in (Role.BREAK, Role.BUT):
            joint = Role.AND if word.role is Role.BUT else Role.BREAK
            self._open(Segment(joint))
        elif word.role is Role.CURRENT:
            now.is_current = True
        elif word.role in (Role.PAST, Role.TOOK):
            now.is_past = True

    def _negate(self, word: Word) -> None:
        now = self.now
        if now.is_negated and not now.pieces:
            self.left_out.append(word)
        elif now.pieces:
            joint = _only(now.pending) or Role.BREAK
            now.pending = set()
            self._open(Segment(joint, is_negated=True))
        else:
            now.is_negated = True

    def _take_piece(self, piece: Piece) -> None:
        now = self.now
        is_measured = piece.kind in MEASURED or piece.kind in _AGES
        if now.is_negated and now.pieces and is_measured and Role.AND in now.pending:
            now.pending = set()
            self._open(Segment(Role.AND))
            now = self.now
        if now.pieces:
            now.joints.append(now.pending)
        elif now.pending and now.joint is None and len(self.segments) > 1:
            now.joint = _only(now.pending)
        now.pending = set()
        now.pieces.append(piece)
        if now.window is not None and piece.is_record:
            self._apply(len(now.pieces) - 1, now.window)
        elif now.window is not None and piece.kind in MEASURED and not now.window.is_least:
            now.pieces[-1] = measured_within(piece, now.window)

    def _take_window(self, window: Window) -> None:
        now = self.now
        places = [
            index
            for index, piece in enumerate(now.pieces)
            if piece.is_record and not piece.has_window
        ]
        last = now.pieces[-1] if now.pieces else None
        if last is not None and last.kind in MEASURED and not window.is_least:
            now.pieces[-1] = measured_within(last, window)
        elif places:
            for index in places:
                self._apply(index, window)
        elif not now.pieces:
            now.window = window
        else:
            self.left_out.append(window)

    def _apply(self, index: int, window: Window) -> None:
        applied = apply_window(self.now.pieces[index], window)
        if applied is None:
            self.left_out.append(window)
        else:
            self.now.pieces[index] = applied

    def _open(self, segment: Segment) -> None:
        self.close()
        self.segments.append(segment)

    def close(self) -> None:
        """Give the pieces of the segment their status."""
        now = self.now
        if now.window is not None and not any(piece.has_window for piece in now.pieces):
            self.left_out.append(now.window)
        is_windowed = any(piece.has_window for piece in now.pieces)
        if now.is_current and is_windowed and len(now.pieces) > 1:
            # "Current asthma, or stroke within a year": which words the window belongs to is open.
            self.left_out += now.pieces[:1]
        if now.is_current:
            now.pieces = [self._current_stay(piece) for piece in now.pieces]
        now.pieces = [
            with_status(piece, is_current=now.is_current, is_past=now.is_past)
            for piece in now.pieces
        ]
        self.left_out += [piece for piece in now.pieces if needs_time(piece)]

    def _current_stay(self, piece: Piece) -> Piece:
        if piece.kind is not Kind.ENCOUNTER or piece.has_window:
            return piece
        [(leaf, body)] = piece.criterion.items()
        today = {leaf: {**body, "within": {"from": "P0D"}}}
        return replace(piece, criterion=today, has_window=True)


def _only(roles: set[Role]) -> Role | None:
    """Return the strongest word of those between two pieces."""
    for role in (Role.OR, Role.AND, Role.COMMA):
        if role in roles:
            return role
    return None
