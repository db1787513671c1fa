"""Frames: what a selector reads, of all patients, kept between requests.

Most patients need only packed rows, which numpy judges. The others, whose records are roughly
dated, contradictory or otherwise hard to judge, keep their records whole for the evaluator of one
patient. So each rule about such records exists once.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

import numpy as np
import orjson
import zstandard

from trially.database.placement import current_placement
from trially.database.uuids import read_uuid
from trially.recruiting.criteria.days import Days, Moment
from trially.recruiting.criteria.facts import Fact
from trially.recruiting.criteria.rows import Row, rows_of
from trially.recruiting.criteria.selectors import Keeps, Selector
from trially.recruiting.matching.bits import Flags, set_of
from trially.recruiting.matching.narrowing import NOTHING_LEFT_OUT, Narrowing
from trially.recruiting.matching.packed_rows import NO_TIME, Rows, copy_rows, microseconds
from trially.recruiting.matching.row_tuples import fetch_rows
from trially.recruiting.matching.selecting import (
    RECORD,
    Query,
    compose,
    compose_facts,
    has_other_codings,
)
from trially.recruiting.matching.vocabulary import NO_WORDS, Vocabulary

PatientIds = Callable[[Sequence[int]], Mapping[int, UUID]]
"""Returns the patients with some ordinals."""

_LEVEL = 1
_LENGTH_BYTES = 8


@dataclass(frozen=True)
class Frame:
    """The records that a selector reads."""

    rows: Rows
    """`RECORD`s, by ordinal and then by day. Of a selector that keeps the latest: one each."""

    hard: Mapping[int, Sequence[Fact]]
    """The records of the other patients, by ordinal."""

    vocabulary: Vocabulary
    """What rows number."""

    since: int
    """The first day for which the frame is right; 0 for all days."""

    @cached_property
    def hard_set(self) -> int:
        """The patients whose records are kept whole."""
        return set_of(self.hard)

    def hard_rows(self, days: Days) -> Mapping[int, list[Row]]:
        """Return the records that are kept whole, ready to be compared: made once for all leaves.

        `days` are those of the tenant's time zone, for which the frame was read.
        """
        if not self._hard_rows:
            for ordinal, facts in self.hard.items():
                self._hard_rows[ordinal] = rows_of(list(facts), days)
        return self._hard_rows

    @cached_property
    def _hard_rows(self) -> dict[int, list[Row]]:
        return {}

    def without(self, ordinals: "np.ndarray[Any, Any]") -> "Frame":
        """Return the frame without some patients."""
        gone = set(ordinals.tolist())
        return Frame(
            self.rows[~np.isin(self.rows["ordinal"], ordinals)],
            {ordinal: facts for ordinal, facts in self.hard.items() if ordinal not in gone},
            self.vocabulary,
            self.since,
        )

    def with_(self, other: "Frame") -> "Frame":
        """Return the frame with the patients of another one, whose vocabulary goes on with ours."""
        rows = np.concatenate([self.rows, other.rows])
        return Frame(
            _in_order(rows),
            {**self.hard, **other.hard},
            other.vocabulary,
            max(self.since, other.since),
        )

    def dump(self) -> bytes:
        """Return the frame as bytes for `load`."""
        head = orjson.dumps(
            {
                "units": self.vocabulary.units,
                "values": self.vocabulary.values,
                "since": self.since,
                "hard": {
                    str(ordinal): [list(fact) for fact in facts]
                    for ordinal, facts in self.hard.items()
                },
            },
            default=str,
        )
        size = _LENGTH_BYTES + len(head) + self.rows.nbytes
        compressor = zstandard.ZstdCompressor(level=_LEVEL).compressobj(size=size)
        compressed = [
            compressor.compress(len(head).to_bytes(_LENGTH_BYTES)),
            compressor.compress(head),
            compressor.compress(np.ascontiguousarray(self.rows).data),
        ]
        return b"".join([*compressed, compressor.flush()])

    @classmethod
    def load(cls, stored: bytes) -> "Frame":
        """Return the frame that `dump` has written."""
        content = memoryview(zstandard.ZstdDecompressor().decompress(stored))
        end = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES])
        head = orjson.loads(content[_LENGTH_BYTES:end])
        return cls(
            np.frombuffer(content, RECORD, offset=end),
            {
                int(ordinal): [_fact_of(values) for values in facts]
                for ordinal, facts in head["hard"].items()
            },
            Vocabulary(head["units"], head["values"]),
            head["since"],
        )


def read_frame(
    selector: Selector,
    moment: Moment,
    patient_ids: PatientIds,
    vocabulary: Vocabulary = NO_WORDS,
    patients: Sequence[UUID] | None = None,
    *,
    narrowing: Narrowing = NOTHING_LEFT_OUT,
    whole: bool = False,
) -> Frame:
    """Read the records of all patients, or of some; with `whole`, all columns of all records.

    `vocabulary` has what is known to occur; other words are looked up.
    """
    tenant_id = current_placement().tenant_id
    probe = has_other_codings(selector, tenant_id)
    [(other_codings,)] = fetch_rows(probe.statement, probe.parameters)

    def query_with(words: Vocabulary) -> Query:
        return compose(
            *(selector, moment, words, tenant_id, patients),
            narrowing=narrowing,
            other_codings=other_codings,
        )

    def read(query: Query) -> Rows:
        zone = str(moment.days.zone)
        return copy_rows(query.statement, query.parameters, RECORD, query.names, zone=zone)

    query = query_with(vocabulary)
    rows = read(query)
    if (rows["unit"] < 0).any() or (rows["answer"] < 0).any():
        vocabulary = _extend(vocabulary, query)
        query = query_with(vocabulary)
        rows = read(query)
    rows = _in_order(rows)
    if selector.keeps == Keeps.ALL:
        chosen, hard = np.ones(len(rows), np.bool_), rows["hard"] == 1
    else:
        chosen, hard = _choose(rows, moment, latest=selector.keeps == Keeps.LATEST)
    hard_ordinals = np.unique(rows["ordinal"] if whole else rows["ordinal"][hard])
    simple = chosen & ~np.isin(rows["ordinal"], hard_ordinals)
    ids = patient_ids(hard_ordinals.tolist())
    is_for_later = selector.keeps == Keeps.LATEST or narrowing != NOTHING_LEFT_OUT
    since = moment.today if is_for_later else 0
    return Frame(rows[simple], _read_hard(selector, moment, ids), vocabulary, since)


def _in_order(rows: Rows) -> Rows:
    keys = rows["ordinal"].astype(np.int64) << 32 | rows["day"]
    return rows[np.argsort(keys, kind="stable")]


def _choose(rows: Rows, moment: Moment, *, latest: bool) -> tuple[Flags, Flags]:
    """Return which rows are surely the latest or earliest, and which are of patients without one.

    Only a patient whose rows all have a time, or who has one row, has one that surely is the
    latest. All must have begun, and no other may have the same time.
    """
    if not len(rows):
        return np.zeros(0, np.bool_), np.zeros(0, np.bool_)
    ordinals, at = rows["ordinal"], rows["at"]
    starts = np.flatnonzero(np.r_[True, ordinals[1:] != ordinals[:-1]])
    counts = np.diff(np.r_[starts, len(rows)])
    group = np.repeat(np.arange(len(starts)), counts)
    is_chosen = at == (np.maximum if latest else np.minimum).reduceat(at, starts)[group]
    is_timed = at != NO_TIME
    is_unclear = (rows["hard"] == 1) | (rows["day"] > moment.today)
    is_unclear |= is_timed & (at > microseconds(moment.at))
    is_rivalled = (counts > 1) & (
        (np.bincount(group, is_chosen, len(starts)) > 1)
        | (np.bincount(group, ~is_timed, len(starts)) > 0)
    )
    is_hard = (np.bincount(group, is_unclear, len(starts)) > 0) | is_rivalled
    return is_chosen, is_hard[group]


def _extend(vocabulary: Vocabulary, query: Query) -> Vocabulary:
    """Return a vocabulary with the words that occur too."""
    found = fetch_rows(query.words, query.parameters)
    units = sorted({unit for unit, _ in found} - {None, *vocabulary.units})
    values = sorted({value for _, value in found} - {None, *vocabulary.values})
    return Vocabulary([*vocabulary.units, *units], [*vocabulary.values, *values])


def _read_hard(
    selector: Selector, moment: Moment, ids: Mapping[int, UUID]
) -> dict[int, Sequence[Fact]]:
    if not ids:
        return {}
    query = compose_facts(selector, moment, current_placement().tenant_id, list(ids.values()))
    found = {
        patient_id: [Fact._make(row[1:]) for row in group]
        for patient_id, group in groupby(
            fetch_rows(query.statement, query.parameters), itemgetter(0)
        )
    }
    return {ordinal: found.get(str(each), found.get(each, ())) for ordinal, each in ids.items()}


_TIMES = ("start_at", "end_at", "recorded_at", "created_at", "withdrawn_at")
_NUMBERS = ("value_number", "reference_low", "reference_high")
_READERS: Mapping[int, Callable[[Any], Any]] = {
    Fact._fields.index("id"): read_uuid,
    **{Fact._fields.index(name): dt.datetime.fromisoformat for name in _TIMES},
    **{Fact._fields.index(name): Decimal for name in _NUMBERS},
}


def _fact_of(values: list[Any]) -> Fact:
    for number, read in _READERS.items():
        if values[number] is not None:
            values[number] = read(values[number])
    return Fact._make(values)
