"""Parts that several leaves share: windows, bounds, values, places in source documents."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from trially.recruiting.criteria.language.codes import CODES, Codes
from trially.recruiting.criteria.language.durations import Duration, Span
from trially.recruiting.criteria.language.objects import Part, key
from trially.recruiting.criteria.language.shapes import Choice, Many, Number, Text, Whole


class Missing(StrEnum):
    """What a leaf yields for a patient without a record that could decide it."""

    UNKNOWN = "unknown"
    NOT_MET = "not_met"
    COVERED = "covered"
    """`not_met` for patients with coverage: any record within the tenant's look-back. Others are
    unknown."""


class Limit(StrEnum):
    """A limit of the reference range."""

    UPPER = "ULN"
    LOWER = "LLN"


@dataclass(frozen=True, kw_only=True)
class Window(Part):
    """Days relative to the day of `as_of`. Both days belong to the window."""

    from_: Duration | None = key(
        Span(is_past=True), "The first day, `-P90D` for 90 days ago. Left out: no first day.", None
    )
    to: Duration = key(Span(is_past=True), "The last day. `P0D` is the day of `as_of`.", Duration())

    def check(self) -> Iterator[tuple[str, str]]:
        """Refuse a window that ends before it begins, and one without bounds."""
        if self.from_ is None:
            if self.to == Duration():
                yield "", "Give 'from', 'to' or both."
        elif self.from_.approximate_days < self.to.approximate_days:
            yield "/from", f"'-{self.from_}' is later than '-{self.to}'. Exchange them."


@dataclass(frozen=True, kw_only=True)
class Bounds(Part):
    """A range. At most one lower and one upper bound."""

    gte: Decimal | None = key(Number(), "At least.", None)
    gt: Decimal | None = key(Number(), "More than.", None)
    lte: Decimal | None = key(Number(), "At most.", None)
    lt: Decimal | None = key(Number(), "Less than.", None)

    @property
    def low(self) -> Decimal | None:
        """The lower bound."""
        return self.gte if self.gte is not None else self.gt

    @property
    def high(self) -> Decimal | None:
        """The upper bound."""
        return self.lte if self.lte is not None else self.lt

    @property
    def is_bounded(self) -> bool:
        """Whether there is a bound at all."""
        return self.low is not None or self.high is not None

    def check(self) -> Iterator[tuple[str, str]]:
        """Refuse two bounds on one side, and ranges that contain nothing."""
        if self.gte is not None and self.gt is not None:
            yield "/gt", "Give 'gte' or 'gt', not both."
        if self.lte is not None and self.lt is not None:
            yield "/lt", "Give 'lte' or 'lt', not both."
        if self.low is not None and self.high is not None:
            is_point = self.low == self.high and self.gte is not None and self.lte is not None
            if self.low >= self.high and not is_point:
                yield "", f"No value is above {self.low} and below {self.high}."


@dataclass(frozen=True, kw_only=True)
class Value(Bounds):
    """What a measured value must be: a range in a unit or in reference limits, a code, a text."""

    unit: str | None = key(Text(40), "UCUM unit of the bounds. '1' is a number without unit.", None)
    times: Limit | None = key(
        Choice(Limit), "The bounds are multiples of this limit of the reference range.", None
    )
    in_: Codes | None = key(CODES, "Codes, of which the value must be one.", None)
    text: tuple[str, ...] = key(
        Many(Text(200), most=50, or_one=True),
        "Texts, of which the value must be one. Upper and lower case are the same.",
        (),
    )

    def check(self) -> Iterator[tuple[str, str]]:
        """Refuse mixtures of numbers, codes and texts, and bounds without a unit."""
        yield from super().check()
        kinds = [self.is_bounded, self.in_ is not None, bool(self.text)]
        if sum(kinds) != 1:
            yield "", "Give bounds, or codes ('in'), or texts ('text'), and only one of these."
        if self.is_bounded and (self.unit is None) == (self.times is None):
            yield "", "Bounds need a 'unit', or 'times' (ULN or LLN), and not both."
        if not self.is_bounded and (self.unit is not None or self.times is not None):
            yield "", "'unit' and 'times' are of bounds, which are missing."


@dataclass(frozen=True, kw_only=True)
class Source(Part):
    """A statement of a document, word for word, and its place there."""

    text: str = key(Text(10_000), "The statement, word for word.")
    document: str | None = key(Text(200), "Id of the document.", None)
    page: int | None = key(Whole(1, 100_000), "Page of the document, from 1.", None)
    start: int | None = key(
        Whole(0, 10**9), "Characters before the statement, in the page or the document.", None
    )
    end: int | None = key(Whole(1, 10**9), "Characters up to the end of the statement.", None)

    def check(self) -> Iterator[tuple[str, str]]:
        """Refuse a place whose length is not that of the text."""
        if (self.start is None) != (self.end is None):
            yield "", "Give 'start' and 'end', or neither."
        elif self.start is not None and self.end is not None:
            if self.end - self.start != len(self.text):
                places = self.end - self.start
                yield "/end", f"The place has {places} characters, and the text {len(self.text)}."
            if self.document is None:
                yield "/start", "A place needs a 'document'."
        if self.page is not None and self.document is None:
            yield "/page", "A page needs a 'document'."
