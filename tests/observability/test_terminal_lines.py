"""Lines of a terminal are short and begin with what one looks for."""

import io
import logging
import re

import pytest

from trially.observability import logs


@pytest.fixture
def lines():
    root = logging.getLogger()
    before = root.handlers, root.level
    stream = io.StringIO()
    logs.configure(is_for_people=True, stream=stream)
    yield lambda: re.sub(r"\x1b\[\d+m", "", stream.getvalue()).splitlines()
    root.handlers, root.level = before[0], before[1]


def test_a_request_is_one_short_line(app, member, lines):
    member.get("/patients?limit=1")
    member.get("/patients/00000000-0000-0000-0000-000000000000")

    found, missing = (line for line in lines() if "/patients" in line)

    assert re.fullmatch(rf"[\d:]{{8}} 200 GET /api/v1/patients \d+ ms {member.tenant.slug}", found)
    assert re.fullmatch(
        r"[\d:]{8} 404 GET /api/v1/patients/<uuid:patient_id> \d+ ms "
        rf"{member.tenant.slug} [0-9a-f]{{32}}",
        missing,
    )


def test_a_long_statement_is_cut(lines):
    slow = logging.getLogger("trially.observability.slow_statements")
    slow.warning("A statement was slow.", extra={"ms": 812.4, "statement": "SELECT " + "x" * 500})

    [line] = lines()

    assert "warning: A statement was slow. ms=812 statement=SELECT x" in line
    assert len(line) <= 130


def test_an_exception_follows_its_line(lines):
    try:
        int("a value of a patient")
    except ValueError:
        logging.getLogger("trially").exception("It failed.")

    first, kind, place = lines()

    assert first.endswith("error: It failed.")
    assert kind == "  builtins.ValueError"
    assert "test_terminal_lines.py" in place
