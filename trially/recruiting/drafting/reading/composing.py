"""Composing of a statement's pieces into one criterion, where its words say how."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from trially.recruiting.drafting.knowledge.kinds import Kind
from trially.recruiting.drafting.reading.elements import (
    MEASURED,
    Assumption,
    Element,
    Json,
    Piece,
    Role,
)
from trially.recruiting.drafting.reading.segments import Segment, segment
from trially.recruiting.drafting.splitting.statements import Section

_DEFINED = {"obesity": {"bmi"}, "hypertension": {"systolic", "diastolic", "blood_pressure"}}
"""Conditions, and the measurements that define them where a text gives both."""

_ALIKE = {Kind.PROCEDURE: Kind.CONDITION, Kind.PREGNANCY: Kind.CONDITION}
"""Kinds that texts list together."""


@dataclass(frozen=True, slots=True)
class Composed:
    """What the elements of a statement say together."""

    criterion: Json | None
    """None if they say nothing, or it is not clear how they are joined."""
    pieces: tuple[Piece, ...]
    left_out: tuple[Element, ...]
    assumptions: frozenset[Assumption]
    is_unclear: bool
    """Whether the pieces are read, but not how they are joined."""


class _UnclearError(Exception):
    """The words do not say how pieces are joined."""


def compose(elements: Sequence[Element], section: Section) -> Composed:
    """Return the criterion of a statement's elements, and what stays unread."""
    found = segment(elements)
    pieces = tuple(
        replace(piece, is_negated=part.is_negated)
        for part in found.segments
        for piece in _simplified(part)[0]
    )
    assumed: set[Assumption] = set()
    is_exclusion = section is Section.EXCLUSION
    try:
        criterion = _join_segments(found.segments, assumed, is_exclusion=is_exclusion)
    except _UnclearError:
        return Composed(None, pieces, tuple(found.left_out), frozenset(assumed), is_unclear=True)
    return Composed(criterion, pieces, tuple(found.left_out), frozenset(assumed), is_unclear=False)


def _join_segments(
    segments: Sequence[Segment], assumed: set[Assumption], *, is_exclusion: bool
) -> Json | None:
    if not segments:
        return None
    parts = [_join_pieces(each, assumed, is_exclusion=is_exclusion) for each in segments]
    groups = {_group(each.joint, is_exclusion=is_exclusion) for each in segments[1:]}
    if len(groups) > 1:
        raise _UnclearError
    return _grouped(groups.pop(), parts) if groups else parts[0]


def _group(joint: Role | None, *, is_exclusion: bool) -> str:
    if joint is Role.OR:
        return "any"
    if joint is Role.AND:
        return "all"
    return "any" if is_exclusion else "all"


def _join_pieces(part: Segment, assumed: set[Assumption], *, is_exclusion: bool) -> Json:
    """Return the criterion of one segment. Pieces without a word between them belong together."""
    pieces, joints = _simplified(part)
    assumed |= {each for piece in pieces for each in piece.assumptions}
    clusters: list[list[Piece]] = [[pieces[0]]]
    between: set[Role] = set()
    for piece, joint in zip(pieces[1:], joints, strict=True):
        if Role.OPEN in joint and piece.kind not in (Kind.AGE, Kind.SEX):
            raise _UnclearError
        joint = joint - {Role.OPEN}
        if joint:
            between |= joint
            clusters.append([piece])
        else:
            clusters[-1].append(piece)
    is_mixed = len(clusters) > 1 and any(_is_compound(each) for each in clusters)
    if is_mixed and Role.OR in between:
        raise _UnclearError
    parts = [_grouped("all", [piece.criterion for piece in each]) for each in clusters]
    name = _joined_by(pieces, between, part, assumed, is_exclusion=is_exclusion)
    joined = _grouped(name, parts)
    return {"not": joined} if part.is_negated else joined


def _joined_by(
    pieces: Sequence[Piece],
    between: set[Role],
    part: Segment,
    assumed: set[Assumption],
    *,
    is_exclusion: bool,
) -> str:
    """Return `any` or `all`, by the words between pieces."""
    measured = [piece.key for piece in pieces if piece.kind in MEASURED or piece.key == "age"]
    if len(set(measured)) < len(measured):
        # "BMI above 25 in adults, BMI above 20 in children": the bounds are for different patients.
        raise _UnclearError
    if {Role.OR, Role.AND} <= between and not part.is_negated:
        raise _UnclearError
    if Role.OR in between or part.is_negated:
        return "any"
    is_alike = len({_ALIKE.get(piece.kind, piece.kind) for piece in pieces}) == 1
    is_alike = is_alike and not any(piece.kind in MEASURED for piece in pieces)
    if Role.AND in between:
        if is_exclusion and is_alike:
            assumed.add(Assumption.AND_IS_OR)
            return "any"
        return "all"
    if Role.COMMA in between:
        if is_exclusion:
            return "any"
        if is_alike:
            raise _UnclearError
        assumed.add(Assumption.COMMA_IS_AND)
    return "all"


def _is_compound(cluster: Sequence[Piece]) -> bool:
    """Return whether pieces that belong together are more than one criterion."""
    return len(cluster) > 1


def _simplified(part: Segment) -> tuple[list[Piece], list[set[Role]]]:
    """Return the pieces without those that others in the segment say better."""
    kept: list[Piece] = []
    joints: list[set[Role]] = []
    has_age = any(piece.key == "age" for piece in part.pieces)
    for index, piece in enumerate(part.pieces):
        joint = part.joints[index - 1] if index else set()
        if _is_said(piece, part, has_age=has_age):
            continue
        defined = kept and joint <= {Role.OPEN} and piece.key in _DEFINED.get(kept[-1].key, ())
        repeated = kept and kept[-1].key == piece.key and kept[-1].criterion == piece.criterion
        if defined or repeated:
            kept[-1] = piece
            continue
        if kept:
            joints.append(joint)
        kept.append(piece)
    return (kept, joints) if kept else (part.pieces[:1], [])


def _is_said(piece: Piece, part: Segment, *, has_age: bool) -> bool:
    """Return whether a piece adds nothing to the others of its segment."""
    if piece.key == "adult":
        return has_age
    if piece.kind is Kind.SEX:
        is_pregnant = any(other.kind is Kind.PREGNANCY for other in part.pieces)
        return len(part.pieces) > 1 and (
            piece.key == "any" or (is_pregnant and piece.key == "female")
        )
    return False


def _grouped(name: str, parts: Sequence[Json]) -> Json:
    return parts[0] if len(parts) == 1 else {name: list(parts)}
