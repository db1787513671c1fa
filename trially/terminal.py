"""Print the output of commands: text or a table, JSON, and errors as one sentence."""

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

from trially.errors import OperatorError

Item = TypeVar("Item")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

PIPED_WIDTH = 1_000
"""The width of a table that is not printed to a terminal, so that programs read whole lines."""


@contextmanager
def errors_as_sentences() -> Iterator[None]:
    """Turn an error into one sentence and exit status 1, without a traceback.

    An `OperatorError` prints its own message. Of any other error only the type and the SQLSTATE are
    printed, because its message may quote a row. `flask --debug` shows the traceback.
    """
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except OperatorError as error:
        raise click.ClickException(str(error)) from None
    except (SQLAlchemyError, psycopg2.Error) as error:
        original = getattr(error, "orig", None) or error
        sqlstate = getattr(original, "pgcode", None)
        cause = type(original).__name__ + (f", SQLSTATE {sqlstate}" if sqlstate else "")
        raise click.ClickException(f"The database reported an error ({cause}).") from None
    except Exception as error:
        if get_debug_flag():
            raise
        raise click.ClickException(
            f"The command failed with {type(error).__name__}. Run it with `flask --debug …` to see"
            " the traceback."
        ) from None


class Command(click.Command):
    """A command whose errors are printed as one sentence."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with errors_as_sentences():
            return super().invoke(ctx)


class CommandGroup(AppGroup):
    """A group of commands whose errors are printed as one sentence."""

    command_class = Command


def print_item(item: Mapping[str, Any], sentence: str, *, as_json: bool) -> None:
    """Print one item as JSON, or else the sentence."""
    if as_json:
        print_json(item)
    else:
        click.echo(sentence)


def print_items(items: Sequence[Mapping[str, Any]], names: Sequence[str], *, as_json: bool) -> None:
    """Print several items as a JSON list, or as a table with the columns `names`."""
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
        console.width = PIPED_WIDTH
    console.print(table)


def progress_bar(
    items: Iterable[Item], label: str, length: int
) -> AbstractContextManager[Iterable[Item]]:
    """Show the progress through some items on standard error, if that is a terminal."""
    return click.progressbar(items, length, label, file=sys.stderr, hidden=not sys.stderr.isatty())


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z
    sys.stdout.write(orjson.dumps(value, option=options, default=str).decode() + "\n")
