"""Print the results of commands: sentences, records, JSON, progress."""

import datetime as dt
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import click
import orjson

Item = TypeVar("Item")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

LONGEST_LABEL = 24


def print_item(item: Mapping[str, Any], sentence: str, *, as_json: bool) -> None:
    """Print one item as JSON, or else the sentence."""
    if as_json:
        print_json(item)
    else:
        click.echo(sentence)


def print_record(item: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one item as JSON, or else each value on a line of its own."""
    if as_json:
        print_json(item)
        return
    width = min(max(map(len, item), default=0), LONGEST_LABEL)
    for name, value in item.items():
        click.echo(f"{name:<{width}}  {format_value(value) or '-'}")


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z
    sys.stdout.write(orjson.dumps(value, option=options, default=str).decode() + "\n")


def format_value(value: Any) -> str:
    """Return a value as text for people, without characters that would steer a terminal.

    Times are in UTC, to the second.
    """
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        return f"{value.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}Z"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {format_value(each) or '-'}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(format_value(each) or "-" for each in value)
    return "".join(letter if letter.isprintable() else " " for letter in str(value))


def plural(number: int, noun: str, several: str | None = None) -> str:
    """Return a number with its noun: `1 line`, `2 lines`."""
    return f"{number:,} {noun if number == 1 else several or noun + 's'}"


def progress_bar(
    items: Iterable[Item], label: str, length: int
) -> AbstractContextManager[Iterable[Item]]:
    """Show the progress through some items on standard error, if that is a terminal."""
    return click.progressbar(items, length, label, file=sys.stderr, hidden=not sys.stderr.isatty())


@contextmanager
def importing_bar(size: int, *, is_shown: bool) -> Iterator[Callable[[int], None]]:
    """Show how much of some files is imported on standard error, if that is a terminal.

    `size` is that of all files. Yields a function that takes how many bytes are done.
    """
    # Imported here: only imports need rich.
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, color_system="auto" if uses_colour(is_terminal=True) else None)
    if not is_shown or not console.is_terminal:
        yield lambda _done: None
        return
    columns = (TextColumn("Importing"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=size)
        yield lambda done: bar.update(task, completed=done)


def uses_colour(*, is_terminal: bool) -> bool:
    """Return whether output may be coloured or bold: at a terminal, unless NO_COLOR is set."""
    return is_terminal and not os.environ.get("NO_COLOR")
