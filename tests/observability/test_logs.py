"""The content of log lines, without PHI and secrets."""

import io
import json
import logging
from typing import Any

import pytest
from flask import Flask

from trially.observability import logs

SECRET = "Canary-Roe"


class DatabaseError(Exception):
    pgcode = "22P02"


def test_an_exception_is_logged_without_its_message(written: Any) -> None:
    try:
        try:
            json.loads(SECRET)
        except ValueError as error:
            raise DatabaseError(SECRET) from error
    except DatabaseError:
        logging.getLogger("trially").exception("Something failed with %s.", "22P02")
        logging.getLogger("library").exception(RuntimeError(SECRET))
        logging.getLogger("library").exception("It failed", stack_info=True)

    ours, theirs, last = written()

    assert ours["event"] == "Something failed with 22P02."
    assert [each["type"].rpartition(".")[2] for each in ours["exceptions"]] == [
        "DatabaseError",
        "JSONDecodeError",
    ]
    assert ours["exceptions"][0]["sqlstate"] == "22P02"
    assert theirs["event"] == "RuntimeError"
    assert "stack_info" not in last
    assert SECRET not in json.dumps([ours, theirs, last])


def test_a_librarys_message_is_logged_without_its_arguments(written: Any) -> None:
    log = logging.getLogger("gunicorn.error")
    log.setLevel(logging.DEBUG)
    log.info("Booting worker with pid: %s", 42)
    log.error("Error handling request %s", f"/patients?name={SECRET}")
    log.warning("Invalid request from ip=192.0.2.1: " + SECRET)  # noqa: G003
    for name in ("library", "trially.database.budget.BudgetedPool"):
        logging.getLogger(name).warning("Asked for %s", SECRET)

    assert [line["event"] for line in written()] == [
        "Booting worker with pid: 42",
        "Error handling request %s",
        "Invalid request from ip=192.0.2.1",
        "Asked for %s",
        "Asked for %s",
    ]


def test_only_listed_fields_are_logged(written: Any) -> None:
    logging.getLogger("trially").info("A line.", extra={"name_of_patient": SECRET, "ms": object()})

    (line,) = written()

    assert line["ms"] == "object"
    assert SECRET not in json.dumps(line)


def test_loggers_that_would_log_tokens_or_urls_have_a_lowest_level(written: Any) -> None:
    for name in ("authlib.oauth2", "werkzeug", "sqlalchemy.engine.Engine"):
        logging.getLogger(name).debug(SECRET)

    assert written() == []


def test_configuring_again_does_not_log_twice(written: Any) -> None:
    stream = io.StringIO()
    logs.configure(stream=stream)
    logs.configure(stream=stream)

    logging.getLogger("trially").info("Once.")

    assert len(stream.getvalue().splitlines()) == 1
    assert written() == []


def test_a_line_outside_a_request_names_none(app: Flask, written: Any) -> None:
    app.test_client().get("/livez")
    logging.getLogger("trially").info("Afterwards.")

    during, after = written()

    assert during["route"] == "/livez"
    assert during["request_id"]
    assert not {"request_id", "route", "tenant", "actor"} & set(after)


def test_a_terminal_gets_readable_lines(capsys: pytest.CaptureFixture[str], written: Any) -> None:
    stream = io.StringIO()
    logs.configure(is_for_people=True, stream=stream)

    logging.getLogger("trially").warning("Seen.", extra={"status": 503})

    assert "Seen." in stream.getvalue()
    assert not stream.getvalue().startswith("{")
