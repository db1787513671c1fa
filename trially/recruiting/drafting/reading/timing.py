"""When records must have been: windows of time, and whether something goes on."""

from dataclasses import replace

from trially.recruiting.drafting.knowledge.kinds import Kind
from trially.recruiting.drafting.reading.elements import MEASURED, Json, Piece, Window

_DAYS = {"D": 1, "W": 7, "M": 30, "Y": 365}


def apply_window(piece: Piece, window: Window) -> Piece | None:
    """Return the piece within a window, or None if the language cannot say it."""
    is_state = piece.kind is Kind.PROCEDURE and "condition" in piece.criterion
    if piece.has_window or is_state or piece.kind is Kind.ALLERGY:
        return None
    if window.is_least:
        return _lasting(piece, window)
    past = {"from": f"-{window.duration}"}
    [(leaf, body)] = piece.criterion.items()
    criterion: Json = {leaf: {**body, "within": past}}
    if piece.kind is Kind.MEDICATION:
        # A medication is in a window if it began there, or is still taken.
        criterion = {"any": [{leaf: {**body, "status": "active"}}, criterion]}
    return replace(piece, criterion=criterion, has_window=True)


def _lasting(piece: Piece, window: Window) -> Piece | None:
    """Return a condition that began so long ago, or a medication taken for so long."""
    [(leaf, body)] = piece.criterion.items()
    extra: Json
    if piece.kind is Kind.CONDITION:
        extra = {"within": {"to": f"-{window.duration}"}}
    elif piece.kind is Kind.MEDICATION:
        extra = {"status": "active", "min_days": _days(window.duration)}
    else:
        return None
    return replace(piece, criterion={leaf: {**body, **extra}}, has_window=True)


def measured_within(piece: Piece, window: Window) -> Piece:
    """Return a measurement whose latest value must be in a window."""
    past = {"from": f"-{window.duration}"}
    return replace(piece, criterion=_everywhere(piece.criterion, past), has_window=True)


def _everywhere(criterion: Json, past: Json) -> Json:
    [(name, inner)] = criterion.items()
    if isinstance(inner, list):
        return {name: [_everywhere(each, past) for each in inner]}
    return {name: {**inner, "within": past}}


def with_status(piece: Piece, *, is_current: bool, is_past: bool) -> Piece:
    """Return a record as going on, or as having been at any time. Of past values, any counts.

    Medications without a time are taken now. Conditions without a time may have been at any time.
    """
    if piece.kind in MEASURED and is_past and "observation" in piece.criterion:
        observed = {**piece.criterion["observation"], "pick": "any"}
        return replace(piece, criterion={"observation": observed})
    if piece.kind not in (Kind.CONDITION, Kind.MEDICATION) or "any" in piece.criterion:
        return piece
    is_now = is_current or (piece.kind is Kind.MEDICATION and not is_past)
    if not is_now or is_past or piece.has_window:
        return piece
    [(leaf, body)] = piece.criterion.items()
    return replace(piece, criterion={leaf: {**body, "status": "active"}})


def _days(duration: str) -> int:
    return int(duration[1:-1]) * _DAYS[duration[-1]]


def needs_time(piece: Piece) -> bool:
    """Return whether a piece means nothing without a window: stays in hospital."""
    return piece.kind is Kind.ENCOUNTER and not piece.has_window
