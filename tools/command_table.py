"""`python -m tools.command_table` writes the table of commands into docs/commands.md."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from trially.commands import visible_sections
from trially.terminal import NOTHING, Command, LazyCommand

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "commands.md"
BEGIN, END = "<!-- commands -->", "<!-- end of commands -->"


def all_commands() -> Iterator[tuple[str, click.Command]]:
    """Yield each command of ours that runs, with its words. Groups are not among them."""
    for commands in visible_sections(is_development=True).values():
        for command in commands:
            yield from _below(command.name or "", command)


def render() -> str:
    """Return the table."""
    rows = ["| command | what it does | asks first |", "|---|---|---|"]
    for words, command in all_commands():
        arguments = [
            parameter.make_metavar(click.Context(command))
            for parameter in command.params
            if isinstance(parameter, click.Argument)
        ]
        usage = " ".join([words, *arguments]).replace("|", "\\|")
        asks = isinstance(command, Command) and command.loses is not NOTHING
        rows.append(f"| `{usage}` | {command.get_short_help_str()} | {'yes' if asks else ''} |")
    return "\n".join(rows)


def with_table(document: str) -> str:
    """Return the document with the table of today."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{render()}\n\n{END}{after}"


def _below(words: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    loaded = command.load() if isinstance(command, LazyCommand) else command
    if not isinstance(loaded, click.Group):
        yield words, loaded
        return
    for name, each in loaded.commands.items():
        yield from _below(f"{words} {name}", each)


if __name__ == "__main__":
    os.environ.pop("COLUMNS", None)
    DOCUMENT.write_text(with_table(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stderr.write(f"Wrote the table of commands in {DOCUMENT.name}.\n")
