"""Words of a command that belong to another program, such as those after `--`."""

from collections.abc import Sequence

import click

from trially.terminal.command import Command

SEPARATOR = "--"
AFTER_SEPARATOR = "trially.after_separator"
"""Key in `Context.meta` of the words after `--`."""


class UnrecordedText(click.types.StringParamType):
    """A text for another program. It may name a patient, so it is not recorded."""


class CommandWithWords(Command):
    """A command whose last words, after `--`, are another program's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the words after `--` for the callback."""
        place = args.index(SEPARATOR) if SEPARATOR in args else len(args)
        ctx.meta[AFTER_SEPARATOR] = args[place + 1 :]
        return super().parse_args(ctx, args[:place])


def words_after_separator(ctx: click.Context) -> Sequence[str]:
    """Return the words after `--`."""
    words: Sequence[str] = ctx.meta[AFTER_SEPARATOR]
    return words
