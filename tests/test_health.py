"""Liveness and readiness."""

from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError

from trially import create_app, health
from trially.config import Settings


def test_the_process_answers_and_is_ready(app: Flask) -> None:
    client = app.test_client()

    assert client.get("/livez").json == {"status": "ok"}
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json == {
        "status": "ok",
        "checks": {"catalog": "ok", "keys": "ok", "migrations": "ok"},
    }


def test_without_a_catalog_the_process_lives_and_is_not_ready(settings: Settings) -> None:
    nowhere = make_url("postgresql+psycopg2://missing_role@127.0.0.1:9/postgres")
    client = create_app(replace(settings, database_url=nowhere)).test_client()

    assert client.get("/livez").status_code == 200
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json == {
        "status": "unavailable",
        "checks": {"catalog": "unreachable", "keys": "ok", "migrations": "ok"},
    }
    assert "missing_role" not in ready.text


def test_an_app_whose_catalog_is_older_is_not_ready(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "head_of", lambda _lineage: "9999")

    ready = app.test_client().get("/readyz")

    assert ready.status_code == 503
    assert ready.json["checks"]["catalog"] == "not migrated"


def test_liveness_queries_no_database(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OperationalError("", {}, Exception("asked"))

    other = create_app(settings)
    monkeypatch.setattr(health, "reader_engine", refuse)

    assert other.test_client().get("/livez").status_code == 200
    assert other.test_client().get("/readyz").status_code == 503
