"""How commands speak: a line or a table for people, JSON for programs, one sentence on failure."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import click
import orjson
import psycopg2
from flask.cli import AppGroup
from flask.helpers import get_debug_flag
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy.exc import SQLAlchemyError

Item = TypeVar("Item")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

WIDEST_COLUMNS = 1_000
"""Width of a table that no terminal shows, so that what reads it finds whole lines."""

EXPECTED_ERRORS: list[type[Exception]] = []
"""Errors whose message is the sentence to print; rooms add their own."""


@contextmanager
def in_one_sentence() -> Iterator[None]:
    """Turn what goes wrong into one sentence and status 1, never into a traceback."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except tuple(EXPECTED_ERRORS) as error:
        raise click.ClickException(str(error)) from None
    except (SQLAlchemyError, psycopg2.Error) as error:
        cause = type(getattr(error, "orig", None) or error).__name__
        raise click.ClickException(f"The database refused ({cause}).") from None
    except Exception as error:
        if get_debug_flag():
            raise
        raise click.ClickException(
            f"{type(error).__name__} stopped this; `flask --debug …` shows where."
        ) from None


class OneSentenceGroup(AppGroup):
    """A group of commands that fail with one sentence."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with in_one_sentence():
            return super().invoke(ctx)


class OneSentenceCommand(click.Command):
    """A command that fails with one sentence."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run it."""
        with in_one_sentence():
            return super().invoke(ctx)


def print_item(item: Mapping[str, Any], sentence: str, *, as_json: bool) -> None:
    """Print one thing: as JSON, or as a sentence."""
    if as_json:
        print_json(item)
    else:
        click.echo(sentence)


def print_items(items: Sequence[Mapping[str, Any]], names: Sequence[str], *, as_json: bool) -> None:
    """Print several things: as a JSON list, or as a table of the named columns."""
    if as_json:
        print_json(list(items))
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    for item in items:
        table.add_row(*(Text("" if item[name] is None else str(item[name])) for name in names))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDEST_COLUMNS
    console.print(table)


def progress_bar(
    items: Iterable[Item], label: str, length: int
) -> AbstractContextManager[Iterable[Item]]:
    """Show on a terminal's standard error how many of some items have been taken."""
    return click.progressbar(items, length, label, file=sys.stderr, hidden=not sys.stderr.isatty())


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z
    sys.stdout.write(orjson.dumps(value, option=options, default=str).decode() + "\n")
