"""Sixteen writers at the same time never exceed a quota, not even by one."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from flask import Flask
from members import Member
from werkzeug.test import TestResponse

from trially.auth.members.managing import add_member
from trially.auth.roles import Role
from trially.database.quotas import QuotaExceededError
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.entitlements.limits import Limit

WRITERS = 16
PATIENCE_SECONDS = 60.0
NDJSON = {"Content-Type": "application/fhir+ndjson"}


def _at_once(write: Callable[[int], Any], times: int) -> list[Any]:
    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(write, range(times)))


def _until_served(send: Callable[[], TestResponse]) -> TestResponse:
    """Return the answer. While the tenant holds all threads of its share, try again."""
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while (answer := send()).status_code == 503 and time.monotonic() < ends_at:
        time.sleep(0.1)
    return answer


def _body(number: int) -> dict[str, str]:
    """Return a patient who resembles no other one."""
    return {
        "mrn": f"N-{number}",
        "given_name": f"Given{number * 7919}",
        "family_name": f"Family{number * 104729}",
        "birth_date": f"{1930 + number}-05-17",
        "sex": "female",
    }


def _patients(source: int, number: int) -> bytes:
    return b"\n".join(
        b'{"resourceType": "Patient", "id": "%d-%d", "identifier": [{"type": {"coding":'
        b' [{"code": "MR"}]}, "value": "M-%d-%d"}]}' % (source, each, source, each)
        for each in range(number)
    )


def test_creations_and_deletions(
    app: Flask,
    member_in: Callable[[Tier], Member],
    allow: Any,
    used: Any,
    stored: Any,
    tier: Tier,
) -> None:
    member = member_in(tier)
    allow(member.tenant, patients=20)

    def write(number: int) -> int:
        each = member.through(app)
        answer = _until_served(lambda: each.post("/patients", json=_body(number)))
        if answer.status_code == 201 and number % 4 == 0:
            return _until_served(lambda: each.delete(f"/patients/{answer.json['id']}")).status_code
        return answer.status_code

    statuses = Counter(_at_once(write, 4 * WRITERS))

    kept = stored(member.tenant)[Limit.PATIENTS]
    assert set(statuses) <= {201, 204, 403}
    assert kept == statuses[201] <= 20
    assert used(member.tenant) == {"patients": kept}
    while member.post("/patients", json=_body(4 * WRITERS + kept)).status_code == 201:
        kept += 1
    assert stored(member.tenant)[Limit.PATIENTS] == 20


def test_imports_beside_creations(
    app: Flask,
    member_in: Callable[[Tier], Member],
    allow: Any,
    used: Any,
    stored: Any,
    tier: Tier,
) -> None:
    member = member_in(tier)
    allow(member.tenant, patients=50)

    def write(number: int) -> tuple[int, int]:
        each = member.through(app)
        if number % 4:
            answer = each.post("/patients", json=_body(number))
            return answer.status_code, 1
        answer = each.post(f"/imports?source=s{number}", data=_patients(number, 15), headers=NDJSON)
        return answer.status_code, 15

    written = _at_once(write, 2 * WRITERS)

    assert {status for status, _ in written} <= {201, 403, 429, 503}
    expected = sum(patients for status, patients in written if status == 201)
    assert stored(member.tenant)[Limit.PATIENTS] == expected <= 50
    assert used(member.tenant)["patients"] == expected


def test_new_members(
    app: Flask, member_in: Callable[[Tier], Member], allow: Any, stored: Any, tier: Tier
) -> None:
    tenant: Tenant = member_in(tier).tenant
    allow(tenant, members=5)

    def add(number: int) -> bool:
        with app.app_context(), tenant_context(str(tenant.id)):
            try:
                add_member(f"new|{number}", Role.VIEWER)
            except QuotaExceededError:
                return False
            return True

    assert sum(_at_once(add, WRITERS)) == 4
    assert stored(tenant)[Limit.MEMBERS] == 5


def test_a_limit_that_begins_while_writers_without_one_are_at_work(
    app: Flask,
    member_in: Callable[[Tier], Member],
    allow: Any,
    used: Any,
    stored: Any,
    tier: Tier,
) -> None:
    member = member_in(tier)

    def write(number: int) -> int:
        if number == WRITERS:
            allow(member.tenant, patients=1000)
        each = member.through(app)
        return _until_served(lambda: each.post("/patients", json=_body(number))).status_code

    assert set(_at_once(write, 3 * WRITERS)) == {201}

    assert stored(member.tenant)[Limit.PATIENTS] == 3 * WRITERS
    # Writers count when the tenant's role has read the limit, at the latest after some seconds.
    more = 0
    until = time.monotonic() + 30
    while not used(member.tenant) and time.monotonic() < until:
        answer = member.post("/patients", json=_body(3 * WRITERS + more))
        assert answer.status_code == 201
        more += 1
    assert used(member.tenant) == {"patients": 3 * WRITERS + more}
