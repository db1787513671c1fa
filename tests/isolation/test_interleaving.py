"""One process that serves two tenants alternately and concurrently."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from members import MakePatient, Member
from populated_tenants import PopulatedTenant
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from psycopg2.extensions import cursor as plain_cursor
from walls import Wall

from trially.database.engines import engine_registry
from trially.database.placement import WrongTenantError
from trially.tenancy.context import enter_tenant, tenant_context
from trially.tenancy.directory import directory

REQUESTS = 200
THREADS = 8


@pytest.fixture(scope="module")
def pair(
    make_populated_tenant: Callable[[], PopulatedTenant],
) -> tuple[PopulatedTenant, PopulatedTenant]:
    """New tenants: the tests here expect all patients on the first page."""
    return make_populated_tenant(), make_populated_tenant()


@pytest.fixture(scope="module")
def known_patients(
    attacker: PopulatedTenant, victim: PopulatedTenant, make_patient: MakePatient
) -> None:
    for populated in (attacker, victim):
        make_patient(populated.member, mrn=f"of {populated.member.tenant.slug}")


@pytest.fixture
def members(
    serving_app: Flask, attacker: PopulatedTenant, victim: PopulatedTenant, known_patients: None
) -> list[Any]:
    return [populated.member.through(serving_app) for populated in (attacker, victim)]


def check_answers(serving_app: Flask, member: Member, number: int) -> None:
    """Send a request as a member, and check that the answer is about the member's tenant."""
    mine = member.through(serving_app)
    slug = member.tenant.slug
    if number % 4 == 0:
        assert mine.get("/me").json["tenant"]["slug"] == slug
    elif number % 4 == 1:
        found = mine.post("/patients/search", json={"mrn": f"of {slug}"}).json["data"]
        assert [patient["mrn"] for patient in found] == [f"of {slug}"]
    elif number % 4 == 2:
        mrns = {patient["mrn"] for patient in mine.get("/patients").json["data"]}
        assert {mrn for mrn in mrns if mrn.startswith("of ")} == {f"of {slug}"}
    else:
        answer = mine.post("/sites", json={"name": f"{slug} {uuid4()}"})
        assert answer.status_code == 201, answer.json
        shown = mine.get(f"/sites/{answer.json['id']}").json
        assert shown["name"] == answer.json["name"]


def test_tenants_take_turns_on_one_thread(
    serving_app: Flask, members: list[Member], record_wall: Callable[..., None], way: str
) -> None:
    for number in range(REQUESTS):
        check_answers(serving_app, members[number // 3 % 2], number)

    record_wall("serves two tenants alternately in one thread", Wall.OPENING, way)


def test_tenants_are_served_at_once(
    serving_app: Flask, members: list[Member], record_wall: Callable[..., None], way: str
) -> None:
    def ask(number: int) -> None:
        check_answers(serving_app, members[number // 3 % 2], number)

    with ThreadPoolExecutor(THREADS) as pool:
        assert len(list(pool.map(ask, range(REQUESTS)))) == REQUESTS
    record_wall("serves two tenants concurrently", Wall.OPENING, way)


def test_nothing_of_a_tenant_stays_on_its_connections(
    serving_app: Flask, members: list[Member], record_wall: Callable[..., None], way: str
) -> None:
    for member in members:
        assert member.get("/patients").status_code == 200
        assert member.post("/sites", json={}).status_code == 422
        assert member.post("/patients", json={"mrn": 1}).status_code == 422
        with serving_app.app_context(), tenant_context(member.tenant.slug) as entry:
            pool: Any = engine_registry().engine_for(entry.placement).pool
        assert pool.budget.open_connections == pool.budget.idle_connections
        assert pool.idle
        for record in list(pool.idle):
            raw = record.dbapi_connection
            assert raw.get_transaction_status() == TRANSACTION_STATUS_IDLE
            with plain_cursor(raw) as cursor:
                cursor.execute(
                    "SELECT current_setting('trially.tenant_id', true),"
                    " (SELECT setting = reset_val FROM pg_settings WHERE name = 'search_path'),"
                    " (SELECT count(*) FROM pg_locks"
                    "  WHERE pid = pg_backend_pid() AND locktype = 'advisory')"
                )
                assert cursor.fetchone() in {(None, True, 0), ("", True, 0)}
    record_wall("leaves state on a connection", Wall.CLEANING, way)


def test_one_app_context_serves_one_tenant(
    app: Flask, attacker: PopulatedTenant, victim: PopulatedTenant
) -> None:
    first, second = attacker.tenant.slug, victim.tenant.slug

    with app.app_context():
        enter_tenant(directory().find(first))
        enter_tenant(directory().find(first))
        with pytest.raises(WrongTenantError):
            enter_tenant(directory().find(second))
