"""Commands with `--every` run as services: they go on after an outage of the catalog."""

from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from flask import Flask
from sqlalchemy import Engine, event

from tools.command_table import all_commands
from trially.tenancy import repeating
from trially.tenancy.lifecycle.claim_notices import ClaimNotices

COMMANDS = (
    ("audit", "alerts", "--all"),
    ("audit", "seal", "--all"),
    ("tenants", "erase", "--due"),
    ("tenants", "ready"),
    ("tenants", "settle-moves"),
)
WORKS, IS_AWAY, WORKS_AGAIN = 1, 2, 3
"""The rounds of each command."""


class Rounds:
    """Counts rounds, lets the catalog be away in the second, and ends the command after three."""

    def __init__(self) -> None:
        self.number = WORKS
        self.statements = {WORKS: 0, IS_AWAY: 0, WORKS_AGAIN: 0}

    def pause(self, _seconds: float) -> None:
        if self.number == WORKS_AGAIN:
            raise KeyboardInterrupt
        self.number += 1

    def execute(self, *_of_event: Any) -> None:
        self.statements[self.number] += 1
        if self.number == IS_AWAY:
            raise psycopg2.OperationalError("the catalog is away")


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rounds]:
    rounds = Rounds()
    monkeypatch.setattr(repeating, "sleep", rounds.pause)
    monkeypatch.setattr(ClaimNotices, "wait", lambda _self, seconds: rounds.pause(seconds))
    event.listen(Engine, "before_cursor_execute", rounds.execute)
    yield rounds
    event.remove(Engine, "before_cursor_execute", rounds.execute)


def test_these_are_all_commands_that_repeat() -> None:
    repeat = {
        words
        for words, command in all_commands()
        if any("--every" in parameter.opts for parameter in command.params)
    }
    assert repeat == {" ".join(each[:2]) for each in COMMANDS}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_goes_on_after_an_outage_of_the_catalog(
    app: Flask, rounds: Rounds, command: tuple[str, ...]
) -> None:
    result = app.test_cli_runner().invoke(args=[*command, "--every", "10s"])

    assert rounds.number == WORKS_AGAIN
    assert all(rounds.statements.values())
    assert result.output.count("The catalog does not answer: OperationalError") == 1


def test_a_command_that_runs_once_ends_with_the_error() -> None:
    def act() -> None:
        raise psycopg2.OperationalError

    with pytest.raises(psycopg2.OperationalError):
        repeating.in_rounds(None, act)
