"""Liveness and readiness."""

from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError

from trially import create_app
from trially.config import Settings
from trially.tenancy.schema import fleet_revisions


def test_the_process_answers_and_is_ready(own_app: Flask) -> None:
    client = own_app.test_client()

    assert client.get("/livez").json == {"status": "ok"}
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json == {
        "status": "ok",
        "checks": {"catalog": "ok", "keys": "ok", "migrations": "ok", "jobs": "ok"},
    }


def test_without_a_catalog_the_process_lives_and_is_not_ready(settings: Settings) -> None:
    nowhere = make_url("postgresql+psycopg2://missing_role@127.0.0.1:9/postgres")
    client = create_app(replace(settings, database_url=nowhere)).test_client()

    assert client.get("/livez").status_code == 200
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json == {
        "status": "unavailable",
        "checks": {
            "catalog": "unreachable",
            "keys": "ok",
            "migrations": "unknown",
            "jobs": "unknown",
        },
    }
    assert "missing_role" not in ready.text


def test_liveness_queries_no_database(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OperationalError("", {}, Exception("asked"))

    other = create_app(settings)
    monkeypatch.setattr(fleet_revisions, "reader_engine", refuse)

    assert other.test_client().get("/livez").status_code == 200
    assert other.test_client().get("/readyz").status_code == 503
