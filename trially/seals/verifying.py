"""Verify a log: that its seals form one chain, and that each record is as it was sealed.

The records are streamed once with COPY and hashed. Only where a hash differs are the records of
that seal compared one by one with their checksums, to name the first that differs. A witness holds
whole seals, so what it holds takes precedence over what the database holds.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection

from trially.seals.log import SESSION, Key, Log, key_of, read_lines
from trially.seals.seal import FIRST_PREVIOUS, Seal, checksum_of
from trially.seals.sealing import read_checksums, read_stored
from trially.seals.verdicts import Fault, FaultKind, Verdict


def verify(
    raw: connection,
    log: Log,
    witnesses: Iterable[Seal] = (),
    pruned_years: Collection[int] = (),
    *,
    hashes: Mapping[int, bytes] | None = None,
    report: Callable[[int], None] = lambda _: None,
) -> Verdict:
    """Compare the log with its seals and those of `witnesses`, up to the first fault.

    Of years in `pruned_years` no record may be left. `hashes` are those that further witnesses
    hold, by the number of the seal. `report` is called with the count of each seal that was
    compared.
    """
    witnessed = {each.number: each for each in witnesses if each.log == log.name}
    with raw.cursor() as cursor:
        cursor.execute(SESSION)
        seals, chain_fault = _expected_seals(read_stored(cursor, log), witnessed, hashes or {})
        last = seals[-1].last if seals else None
        after: Key | None = None
        records = pruned = 0
        for columns, group in _with_same_columns(seals):
            stream = _Stream(group, pruned_years, report)
            rest = (
                log.where(log.compared(">", after), log.compared("<=", group[-1].last))
                + log.ordered
            )
            cursor.copy_expert(log.copied(columns, rest), stream)
            records, pruned = records + stream.records, pruned + stream.pruned
            bad = stream.end()
            if bad is not None:
                kept = [each.last for each in group[:bad] if each.period not in pruned_years]
                before = kept[-1] if kept else after
                fault = _name(cursor, log, group[bad], before, pruned_years)
                fault = min((each for each in (fault, chain_fault) if each), key=_place)
                return Verdict(len(seals), records, pruned, 0, fault)
            after = group[-1].last
        return Verdict(len(seals), records, pruned, count_after(cursor, log, last), chain_fault)


class _Stream:
    """The file that COPY writes to. It compares the hash of each seal's records."""

    def __init__(
        self,
        seals: Sequence[Seal],
        pruned_years: Collection[int],
        report: Callable[[int], None],
    ) -> None:
        self._seals, self._pruned_years, self._report = seals, pruned_years, report
        self._index, self._left, self._hash = -1, 0, hashlib.sha256()
        self._bad: int | None = None
        self.records = self.pruned = 0
        self._next()

    def write(self, line: bytes) -> None:
        """Take the next record."""
        if self._bad is not None:
            return
        if self._left == 0:
            self._bad = self._index - 1
            return
        self._hash.update(line)
        self._left -= 1
        if self._left == 0:
            self._compare()

    def end(self) -> int | None:
        """Return the index of the first seal whose records differ, or None."""
        if self._bad is None and self._left:
            return self._index
        return self._bad

    def _compare(self) -> None:
        sealed = self._seals[self._index]
        if self._hash.digest() != sealed.records:
            self._bad = self._index
            return
        self.records += sealed.count
        self._report(sealed.count)
        self._next()

    def _next(self) -> None:
        """Go to the next seal that has records."""
        self._hash = hashlib.sha256()
        self._index += 1
        while self._index < len(self._seals) and self._is_pruned(self._seals[self._index]):
            self.pruned += self._seals[self._index].count
            self._index += 1
        if self._index < len(self._seals):
            self._left = self._seals[self._index].count

    def _is_pruned(self, sealed: Seal) -> bool:
        return sealed.period in self._pruned_years


def _expected_seals(
    stored: Iterator[Seal], witnessed: dict[int, Seal], hashes: Mapping[int, bytes]
) -> tuple[list[Seal], Fault | None]:
    """Return the seals to compare the records with, and the first fault of the chain."""
    found = {each.number: (without_checksums(each), each.is_consistent) for each in stored}
    seals: list[Seal] = []
    fault: Fault | None = None
    previous = FIRST_PREVIOUS
    end = max(found, default=0)
    for number in range(1, max([end, *witnessed, *hashes], default=0) + 1):
        held, is_consistent = found.get(number, (None, False))
        witness = witnessed.get(number)
        kind = (
            _kind_of_seal(held, witness, hashes.get(number), previous)
            if held is None or is_consistent
            else FaultKind.SEAL_CHANGED
        )
        if kind is not None and fault is None:
            is_cut = kind is FaultKind.SEAL_MISSING and number > end
            fault = Fault(FaultKind.TAIL_CUT if is_cut else kind, number)
        expected = witness or held
        if expected is None or (fault is not None and witness is None):
            break
        seals.append(expected)
        previous = expected.hash
    return seals, fault


def _kind_of_seal(
    held: Seal | None, witness: Seal | None, witnessed_hash: bytes | None, previous: bytes
) -> FaultKind | None:
    if held is None:
        return FaultKind.SEAL_MISSING
    if witness is not None and without_checksums(witness) != held:
        return FaultKind.SEAL_CHANGED
    if witnessed_hash is not None and witnessed_hash != held.hash:
        return FaultKind.CHAIN_REBUILT
    return None if held.previous == previous else FaultKind.CHAIN_BROKEN


def without_checksums(sealed: Seal) -> Seal:
    """Return a seal in little memory. Its hash still covers the checksums."""
    return replace(sealed, checksums=b"")


def _with_same_columns(seals: Sequence[Seal]) -> Iterator[tuple[tuple[str, ...], list[Seal]]]:
    """Yield consecutive seals that cover the same columns; a migration may add one."""
    return ((columns, list(group)) for columns, group in groupby(seals, lambda each: each.columns))


def _name(
    cursor: Any, log: Log, sealed: Seal, before: Key | None, pruned_years: Collection[int]
) -> Fault:
    """Return which record of a seal differs first."""
    rest = log.where(log.compared(">", before), log.compared("<=", sealed.last)) + log.ordered
    lines = read_lines(cursor, log.copied(sealed.columns, rest))
    if not sealed.checksums:
        sealed = replace(sealed, checksums=read_checksums(cursor, log, sealed.number))
    expected = [] if sealed.period in pruned_years else sealed.checksum_list()
    actual = [checksum_of(line) for line in lines]
    ids = [key_of(line, sealed.columns, log.order)[-1] for line in lines]
    place = next(
        (at for at, (one, other) in enumerate(zip(expected, actual, strict=False)) if one != other),
        min(len(expected), len(actual)),
    )
    return Fault(
        _kind(expected, actual, place),
        sealed.number,
        position=place + 1,
        record=ids[place] if place < len(ids) else None,
        after=ids[place - 1] if place else None,
    )


def _kind(expected: Sequence[bytes], actual: Sequence[bytes], place: int) -> FaultKind:
    if place >= len(actual):
        # All that are left are as sealed. If none is missing either, only the seal differs.
        return FaultKind.RECORD_MISSING if place < len(expected) else FaultKind.SEAL_CHANGED
    if place >= len(expected) or expected[place] in actual[place:]:
        is_sealed = actual[place] in expected[place:]
        return FaultKind.RECORDS_REORDERED if is_sealed else FaultKind.RECORD_INSERTED
    is_next = actual[place] in expected[place:]
    return FaultKind.RECORD_MISSING if is_next else FaultKind.RECORD_CHANGED


def _place(fault: Fault) -> tuple[int, bool]:
    """Return where a fault is. Of two faults of one seal, that which names a record is told."""
    return fault.seal, fault.position is None


def count_after(cursor: Any, log: Log, last: Key | None) -> int:
    """Return the number of records after a key."""
    parts = [
        sql.SQL("(SELECT count(*) FROM {}{})").format(
            sql.Identifier(log.table), log.where(condition)
        )
        for condition in log.following(last)
    ]
    cursor.execute(sql.SQL("SELECT ") + sql.SQL(" + ").join(parts))
    count: int = cursor.fetchone()[0]
    return count
