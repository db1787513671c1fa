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
    typed: str | None = None
    """What the operator has to type, if a yes is not enough."""


def ask(loss: Loss, typed: str | None = None) -> None:
    """Show a loss and ask. Raises `click.Abort` if the answer is no.

    `typed` is what the operator has typed as the value of `--yes`. Raises `NotConfirmedError` if it
    is not what the loss wants, or no terminal is there to ask at.
    """
    if typed is None and not is_at_terminal():
        added = "--yes" if loss.typed is None else f"--yes {loss.typed}"
        raise NotConfirmedError(
            f"{loss.what} Nothing was changed, because this command asks first, and there is no"
            f" terminal to ask at. Add {added} to run it without a question."
        )
    if typed is None:
        click.echo(loss.what, err=True)
    if loss.typed is None:
        click.confirm(loss.question, abort=True, err=True)
    elif (typed or click.prompt(loss.question, err=True)) != loss.typed:
        raise NotConfirmedError(f"That is not {loss.typed!r}. Nothing was changed.")


def is_at_terminal() -> bool:
    """Return whether a person can read a question and answer it."""
    return sys.stdin.isatty() and sys.stderr.isatty()
