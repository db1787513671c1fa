"""Sealing and verifying a log: each forgery is found, and concurrent sealers make one chain."""

import hashlib
from contextlib import closing
from dataclasses import replace
from threading import Thread
from uuid import UUID

import pytest
from scratch_logs import LOG, opened
from uuid_utils.compat import uuid7

from trially.seals import (
    FaultKind,
    InvalidWitnessError,
    append_seals,
    period_of,
    read_seals,
    seal,
    verify,
)
from trially.seals.sealing import read_stored
from trially.tenancy.servers.connections import execute


def write(raw, *texts):
    """Add records in one transaction, and return their ids."""
    ids = [str(uuid7()) for _ in texts]
    for id_, text in zip(ids, texts, strict=True):
        execute(raw, "INSERT INTO notes (id, said) VALUES (%s, %s)", id_, text)
    raw.commit()
    return ids


def sealed(raw, *texts):
    """Add records, seal them, and return their ids."""
    ids = write(raw, *texts)
    seal(raw, LOG)
    raw.commit()
    return ids


def seals_of(raw):
    with raw.cursor() as cursor:
        return list(read_stored(cursor, LOG))


def test_an_untouched_log_is_intact(notes):
    sealed(notes, "one", "two")
    sealed(notes, "three \t \\ \n line")
    write(notes, "not yet sealed")

    verdict = verify(notes, LOG)

    assert verdict.is_intact
    assert (verdict.seals, verdict.records, verdict.unsealed) == (2, 3, 1)


def test_nothing_new_makes_no_seal(notes):
    sealed(notes, "one")

    assert seal(notes, LOG) == []


def test_records_of_a_running_transaction_wait(app, notes):
    """A later seal has them, in the order of transaction ids, so nothing comes in between."""
    with closing(opened(app)) as slow:
        execute(slow, "INSERT INTO notes (id, said) VALUES (%s, 'slow')", str(uuid7()))
        sealed(notes, "fast")
        assert seals_of(notes) == []
        slow.commit()
    seal(notes, LOG)
    notes.commit()

    assert [each.count for each in seals_of(notes)] == [2]
    assert verify(notes, LOG).is_intact


FORGERIES = {
    "changed": ("UPDATE notes SET said = 'forged' WHERE id = :third", "record_changed", 2, 3),
    "removed": ("DELETE FROM notes WHERE id = :third", "record_missing", 2, 3),
    "last removed": ("DELETE FROM notes WHERE id = :fourth", "record_missing", 2, 4),
    "inserted": (
        "INSERT INTO notes SELECT era, transaction_id, :zero, 'x' FROM notes WHERE id = :third",
        "record_inserted",
        2,
        1,
    ),
    "exchanged": (
        "UPDATE notes SET said = CASE said WHEN 'c' THEN 'd' ELSE 'c' END WHERE said IN ('c', 'd')",
        "record_changed",
        2,
        3,
    ),
    "moved": (
        "UPDATE notes SET transaction_id = '3' WHERE id = :third",
        "record_inserted",
        1,
        1,
    ),
}


@pytest.mark.parametrize(
    ("statement", "kind", "number", "position"), FORGERIES.values(), ids=FORGERIES
)
def test_a_forged_record_is_named(notes, statement, kind, number, position):
    sealed(notes, "before")
    _, _, third, fourth = sealed(notes, "a", "b", "c", "d")
    sealed(notes, "after")

    for name, value in {":third": third, ":fourth": fourth, ":zero": UUID(int=0)}.items():
        statement = statement.replace(name, f"'{value}'")
    execute(notes, statement)
    fault = verify(notes, LOG).fault

    assert (fault.kind, fault.seal, fault.position) == (kind, number, position)
    assert str(number) in fault.sentence


def test_a_changed_seal_is_found(notes):
    sealed(notes, "one")
    sealed(notes, "two")
    execute(notes, "UPDATE notes_seal SET count = 7, last = ARRAY['x'] WHERE number = 1")

    fault = verify(notes, LOG).fault

    assert (fault.kind, fault.seal) == (FaultKind.SEAL_CHANGED, 1)


def test_a_removed_seal_is_found(notes):
    sealed(notes, "one")
    sealed(notes, "two")
    execute(notes, "DELETE FROM notes_seal WHERE number = 1")

    fault = verify(notes, LOG).fault

    assert (fault.kind, fault.seal) == (FaultKind.SEAL_MISSING, 1)


def test_a_cut_tail_is_found_with_a_witness(notes):
    sealed(notes, "one")
    removed = sealed(notes, "two", "three")
    witness = seals_of(notes)
    execute(notes, "DELETE FROM notes WHERE id = ANY(%s::uuid[])", removed)
    execute(notes, "DELETE FROM notes_seal WHERE number = 2")

    assert verify(notes, LOG).is_intact
    fault = verify(notes, LOG, witness).fault
    assert (fault.kind, fault.seal, fault.position) == (FaultKind.RECORD_MISSING, 2, 1)


def test_a_rebuilt_chain_is_found_with_a_witness(notes):
    """The owner of the database changes a record and seals everything again."""
    sealed(notes, "one")
    changed, _ = sealed(notes, "two", "three")
    witness = seals_of(notes)
    execute(notes, "UPDATE notes SET said = 'forged' WHERE id = %s", changed)
    execute(notes, "DELETE FROM notes_seal")
    seal(notes, LOG)
    notes.commit()

    assert verify(notes, LOG).is_intact
    fault = verify(notes, LOG, witness).fault
    # The chain was rebuilt as one seal, so that already the first seal differs.
    assert (fault.kind, fault.seal) == (FaultKind.SEAL_CHANGED, 1)


def test_a_rebuilt_chain_of_the_same_seals_names_the_record(notes):
    sealed(notes, "one")
    changed, _ = sealed(notes, "two", "three")
    witness = seals_of(notes)
    execute(notes, "UPDATE notes SET said = 'forged' WHERE id = %s", changed)
    execute(notes, "DELETE FROM notes_seal WHERE number = 2")
    seal(notes, LOG)
    notes.commit()

    assert verify(notes, LOG).is_intact
    fault = verify(notes, LOG, witness).fault
    assert (fault.kind, fault.seal, fault.record) == (FaultKind.RECORD_CHANGED, 2, changed)


def test_records_of_pruned_years_may_be_gone_and_must_be(notes):
    sealed(notes, "one", "two")
    year = period_of((str(uuid7()),))
    [forged] = execute(notes, "DELETE FROM notes WHERE said = 'one' RETURNING *")
    execute(notes, "DELETE FROM notes")

    assert verify(notes, LOG).fault.kind is FaultKind.RECORD_MISSING
    assert verify(notes, LOG, pruned_years={year}).pruned == 2
    execute(notes, "INSERT INTO notes VALUES (%s, %s, %s, %s)", *forged)
    fault = verify(notes, LOG, pruned_years={year}).fault
    assert (fault.kind, fault.record) == (FaultKind.RECORD_INSERTED, forged[2])


def test_a_later_cluster_has_a_later_era(notes):
    """Transaction ids of another cluster may be lower, and its records still come last."""
    sealed(notes, "one")
    execute(
        notes,
        "INSERT INTO notes (era, transaction_id, id, said) VALUES (2, '5', %s, 'two')",
        str(uuid7()),
    )
    notes.commit()
    seal(notes, LOG)

    assert [each.last[0] for each in seals_of(notes)] == ["1", "2"]
    assert verify(notes, LOG).is_intact


def test_sixteen_sealers_make_one_chain(app, notes):
    """Half of them write too, so there is always something to seal."""

    def work(number):
        with closing(opened(app)) as raw:
            for turn in range(8):
                if number % 2:
                    write(raw, f"{number} {turn}")
                seal(raw, LOG)
                raw.commit()

    threads = [Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    seal(notes, LOG)
    notes.commit()

    verdict = verify(notes, LOG)
    assert verdict.is_intact
    assert (verdict.records, verdict.unsealed) == (64, 0)


def test_a_witness_file_keeps_seals(notes, tmp_path):
    sealed(notes, "one")
    sealed(notes, "two")
    file = tmp_path / "witness"

    append_seals(file, seals_of(notes))

    assert list(read_seals(file)) == seals_of(notes)
    file.write_bytes(file.read_bytes().replace(b'"count":1', b'"count":2', 1))
    with pytest.raises(InvalidWitnessError, match="line 1"):
        list(read_seals(file))


def test_each_field_of_a_seal_is_covered_by_its_hash(notes):
    sealed(notes, "one")
    [one] = seals_of(notes)
    changes = {
        "log": "other -",
        "number": 2,
        "previous": b"x" * 32,
        "columns": ("a",),
        "first": ("1",),
        "last": ("1",),
        "count": 2,
        "records": b"x" * 32,
        "checksums": b"x" * 8,
        "hash": b"x" * 32,
    }

    assert changes.keys() == vars(one).keys()
    assert one.is_consistent
    assert not any(replace(one, **{name: value}).is_consistent for name, value in changes.items())


def test_the_hash_can_be_computed_without_this_code(notes):
    """As the documentation describes the format: the text of the records, and of the header."""
    sealed(notes, "one", "two")
    [one] = seals_of(notes)
    execute(notes, "SET LOCAL TimeZone = 'UTC'")
    rows = execute(notes, "SELECT era, transaction_id, id, said FROM notes ORDER BY 1, 2, 3")
    lines = "".join("\t".join(map(str, row)) + "\n" for row in rows).encode()

    assert one.records == hashlib.sha256(lines).digest()
    assert one.hash == hashlib.sha256(one.header).digest()
