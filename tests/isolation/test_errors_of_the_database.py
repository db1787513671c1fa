"""A response to a database error contains no database name, no constraint and no value."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from populated_tenants import PopulatedTenant
from sqlalchemy import text
from walls import Wall

from trially.database.session import db
from trially.resources import resource

CANARY = "SECRET"
STATEMENTS = {
    "0A000": "SELECT count(*) FROM site FOR UPDATE",
    "22012": f"SELECT 1 / length(replace('{CANARY}', '{CANARY}', ''))",
    "22P02": f"SELECT '{CANARY}'::int",
    "22001": f"UPDATE site SET status = repeat('{CANARY}', 100)",
    "22007": f"SELECT '{CANARY}'::date",
    "23502": "UPDATE site SET name = NULL",
    "23503": "UPDATE patient SET site_id = gen_random_uuid()",
    "23505": f"UPDATE site SET name = '{CANARY}'",
    "23514": f"UPDATE site SET status = '{CANARY}'",
    "25006": "SET TRANSACTION READ ONLY; DELETE FROM site",
    "3F000": "CREATE TABLE nowhere.mine (id int)",
    "40001": f"DO $$ BEGIN RAISE SQLSTATE '40001' USING MESSAGE = '{CANARY}'; END $$",
    "42501": "TRUNCATE site CASCADE",
    "42601": f"SELEC '{CANARY}'",
    "42703": f'SELECT "{CANARY}"',
    "42883": f'SELECT "{CANARY}"()',
    "42P01": "SELECT * FROM trially_catalog_owner.patient",
    "55P03": f"DO $$ BEGIN RAISE SQLSTATE '55P03' USING DETAIL = '{CANARY}'; END $$",
    "57014": "SET LOCAL statement_timeout = 1; SELECT pg_sleep(1)",
    "P0001": f"DO $$ BEGIN RAISE '{CANARY}'; END $$",
    "XX000": f"DO $$ BEGIN RAISE SQLSTATE 'XX000' USING MESSAGE = '{CANARY}'; END $$",
}


@pytest.mark.parametrize("state", STATEMENTS)
def test_an_error_discloses_nothing(
    app: Flask,
    attacker: PopulatedTenant,
    victim: PopulatedTenant,
    record_wall: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    state: str,
) -> None:
    sqlstates = []

    def fail(*_arguments: Any) -> None:
        try:
            db.session.execute(text(STATEMENTS[state]))
        except Exception as error:
            sqlstates.append(error.orig.pgcode)  # type: ignore[attr-defined]
            raise

    monkeypatch.setattr(resource, "find_item", fail)
    answer = attacker.member.get(f"/sites/{attacker.ids['site_id']}")
    place = attacker.tenant.placement
    names = {place.database, place.role, victim.tenant.slug, victim.tenant.placement.role}

    assert set(sqlstates) == {state}
    assert answer.status_code >= 400
    for leak in (CANARY, "constraint", "relation", "trially_", "SELECT", *names):
        assert leak not in answer.text
        assert leak not in str(answer.headers)
    assert not re.search(r"\bck_", answer.text)
    assert CANARY not in caplog.text
    record_wall("looks for names in error responses", Wall.OPAQUE)
