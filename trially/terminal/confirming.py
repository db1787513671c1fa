"""Ask before something is lost."""

import sys
from dataclasses import dataclass

import click

from trially.errors import OperatorError


class NotConfirmedError(OperatorError):
    """A destructive command ran without `--yes` and without a terminal."""


@dataclass(frozen=True)
class Loss:
    """What a command is about to take away, as text, and the question to answer."""

    what: str
    question: str


def ask(loss: Loss) -> None:
    """Show a loss and ask. Raises `click.Abort` if the answer is no.

    Raises `NotConfirmedError` if no terminal is there to ask at.
    """
    if not is_at_terminal():
        raise NotConfirmedError(
            f"{loss.what} Nothing was changed, because this command asks first, and there is no"
            " terminal to ask at. Add --yes to run it without a question."
        )
    click.echo(loss.what, err=True)
    click.confirm(loss.question, abort=True, err=True)


def is_at_terminal() -> bool:
    """Return whether a person can read a question and answer it."""
    return sys.stdin.isatty() and sys.stderr.isatty()
