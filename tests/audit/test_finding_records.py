"""The index of patients in the audit log finds what a scan of all records finds."""

from random import Random
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from trially.audit import indexing
from trially.audit.finding import find_record_ids, find_records
from trially.audit.sealer import seal_tenant
from trially.audit.subject_index import build_index, places_in
from trially.audit.subjects import contains, pack, unpack
from trially.database.session import db
from trially.tenancy.context import tenant_context


def insert_records(slug, subjects_of):
    """Add an audit record for each set of audit numbers, and return the ids."""
    with tenant_context(slug) as entry:
        ids = [uuid7() for _ in subjects_of]
        values = ", ".join(
            f"('{entry.placement.tenant_id}', '{id_}', '{UUID(int=1)}', 1, 200, "
            + (f"'\\x{pack(numbers).hex()}')" if numbers else "NULL)")
            for id_, numbers in zip(ids, subjects_of, strict=True)
        )
        db.session.connection().exec_driver_sql(
            "INSERT INTO audit_record (tenant_id, id, form_id, epoch, outcome, subjects) VALUES "
            + values
        )
        db.session.commit()
    return ids


@pytest.mark.parametrize(
    "highest", [0, 5, 200, 10**6, 2**62], ids=["one", "few", "some", "many", "huge"]
)
def test_an_index_has_the_places_of_each_number(highest):
    random = Random(highest)
    sets = [{random.randint(0, highest) for _ in range(random.randint(0, 9))} for _ in range(300)]
    index = build_index((uuid7().bytes, pack(numbers)) for numbers in sets)

    for number in set().union(*sets, {1, 7, highest}):
        bucket, distance = (
            (number - index.first_number) >> index.shift,
            (number - index.first_number) & ((1 << index.shift) - 1),
        )
        start, end = (
            int.from_bytes(index.directory[place * 4 : place * 4 + 4])
            for place in (bucket, bucket + 1)
        )
        expected = [place for place, numbers in enumerate(sets) if number in numbers]
        found = list(places_in(index.entries[start:end], distance)) if bucket >= 0 else []
        assert found == expected
    assert len(index.directory) <= 4 * (len(set().union(*sets)) + 2)


def test_a_set_of_numbers_is_packed_and_searched():
    numbers = {0, 1, 127, 128, 2**63 - 1}

    assert list(unpack(pack(numbers))) == sorted(numbers)
    assert all(contains(pack(numbers), each) for each in numbers)
    assert not any(contains(pack(numbers), each) for each in (2, 129, 2**62))
    assert not contains(b"", 0)


def test_the_index_and_the_tail_find_each_record_once(app, tier, make_tenant, monkeypatch):
    monkeypatch.setattr(indexing, "RECORDS_OF_LEVEL", (20, 60))
    monkeypatch.setattr("trially.audit.finding._MANY", 15)
    tenant, other = make_tenant(tier), make_tenant(tier)
    random, sets, ids = Random(1), [], []
    with app.app_context():
        insert_records(other.slug, [{3}] * 5)
        for _ in range(10):
            part = [
                {random.randint(1, 400) for _ in range(random.choice([0, 1, 3, 50]))} | {7}
                for _ in range(17)
            ]
            sets += part
            ids += insert_records(tenant.slug, part)
            seal_tenant(tenant.slug)
        last = [{3, 7}, {3}, set()]
        sets += last
        ids += insert_records(tenant.slug, last)

        with tenant_context(tenant.slug):
            levels = db.session.connection().exec_driver_sql(
                "SELECT level, count(*) FROM audit_subject GROUP BY 1 ORDER BY 1"
            )
            assert [tuple(row) for row in levels] == [(0, 5), (1, 2)]
            for number in (3, 7, 100, 399, 401, 2**62, 0):
                expected = [id_ for id_, of in zip(ids, sets, strict=True) if number in of]
                assert find_record_ids(number) == sorted(expected, reverse=True)
            page = find_records(7, limit=3, before=ids[100])
            assert [each.id for each in page] == [ids[99], ids[98], ids[97]]
