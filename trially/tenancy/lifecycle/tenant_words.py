"""The words of a command that runs for many tenants, and where each tenant's slug belongs."""

import re
from collections.abc import Sequence

import click

from trially.errors import OperatorError
from trially.terminal import LazyCommand
from trially.terminal.words import CommandWithWords

PLACEHOLDERS = ("{slug}", "{id}")
TENANT_ARGUMENTS = frozenset({"slug", "slugs"})
CALLABLE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*\Z")
"""A function, as MODULE:FUNCTION."""


class NotACommandError(OperatorError):
    """The words after `--` are not a command about a tenant."""


def check_command(root: click.Context, words: Sequence[str]) -> list[str]:
    """Return the first words, which name the command, or raise `NotACommandError`."""
    if not words:
        raise click.UsageError("Write the command after ` -- `, such as `-- audit verify`.")
    if CALLABLE.match(words[0]):
        return ["tenants", "call"]
    command: click.Command | None = root.command
    named: list[str] = []
    for word in words:
        if not isinstance(command, click.Group):
            break
        command = command.get_command(root, word)
        named.append(word)
    shown = " ".join(named)
    if command is None:
        raise NotACommandError(f"{shown!r} is no command. `flask --help` shows all commands.")
    if isinstance(command, click.Group):
        raise NotACommandError(f"{shown!r} has several commands. `flask {shown} --help`.")
    if isinstance(command, LazyCommand):
        command = command.load()
    if isinstance(command, CommandWithWords):
        raise NotACommandError(f"{shown!r} cannot be run by itself for each tenant.")
    if not (_takes_tenant(command) or _has_placeholder(words)):
        raise NotACommandError(
            f"{shown!r} is not about one tenant: it has no argument SLUG. Write {{slug}} where the"
            " slug belongs."
        )
    return named


def _takes_tenant(command: click.Command) -> bool:
    arguments = [each.name for each in command.params if isinstance(each, click.Argument)]
    return bool(arguments) and arguments[0] in TENANT_ARGUMENTS


def _has_placeholder(words: Sequence[str]) -> bool:
    return any(placeholder in word for word in words for placeholder in PLACEHOLDERS)


def words_for(
    command_words: Sequence[str], words: Sequence[str], slug: str, tenant_id: str
) -> list[str]:
    """Return the command of one tenant."""
    if CALLABLE.match(words[0]):
        return [*command_words, slug, *words]
    if _has_placeholder(words):
        return [word.replace("{slug}", slug).replace("{id}", tenant_id) for word in words]
    return [*command_words, slug, *words[len(command_words) :]]
