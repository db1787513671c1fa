"""`trially`: the commands of `flask`, from any folder. And the sections of `flask --help`."""

import os
from typing import TYPE_CHECKING, Any

import click

from trially.commands import EXAMPLES, init_app, visible_sections
from trially.terminal.command import HAS_SECTIONS, CommandGroup
from trially.terminal.errors import errors_as_sentences
from trially.version import VERSION

if TYPE_CHECKING:
    from flask import Flask


class SectionedGroup(CommandGroup):
    """A group whose help lists its commands in sections."""

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections and the examples."""
        _write_sections(formatter, "trially")


def command_index(root: click.Context) -> "Flask":
    """Make an app that has the commands and nothing else, and add the sections to `flask --help`.

    Commands make the app that they need themselves.
    """
    from flask import Flask

    formatter = click.HelpFormatter(width=root.terminal_width, max_width=root.max_content_width)
    _write_sections(formatter, root.info_name or "flask")
    # click does not wrap the paragraphs of an epilog that begin with this mark.
    paragraphs = formatter.getvalue().strip().split("\n\n")
    root.command.epilog = "\n\n".join(f"\b\n{paragraph}" for paragraph in paragraphs)
    root.meta[HAS_SECTIONS] = True
    app = Flask("trially", static_folder=None)
    init_app(app)
    return app


def looks_for_command(context: click.Context) -> bool:
    """Return whether `flask` loads the app to find a command, not to run the app."""
    from flask.cli import FlaskGroup

    return isinstance(context.command, FlaskGroup)


def _write_sections(formatter: click.HelpFormatter, program: str) -> None:
    for title, commands in visible_sections().items():
        if commands:
            with formatter.section(title):
                formatter.write_dl(
                    [(each.name or "", each.get_short_help_str()) for each in commands]
                )
    with formatter.section("Examples"):
        for example in EXAMPLES:
            formatter.write(f"  {program} {example}\n")


def main(*args: Any, **options: Any) -> Any:
    """Run the command that the arguments name."""
    with errors_as_sentences():
        return _root()(*args, **options)


def _root() -> click.Group:
    commands = [each for group in visible_sections().values() for each in group]
    root = SectionedGroup(
        "trially",
        commands=commands,
        callback=_prepare,
        help="Operate trially.\n\nThe same commands are `flask …` in the repository.",
        no_args_is_help=True,
        params=[
            click.Option(["--debug"], is_flag=True, help="Print tracebacks of errors."),
        ],
    )
    return click.version_option(VERSION, prog_name="trially")(root)


def _prepare(*, debug: bool) -> None:
    from flask.cli import load_dotenv

    load_dotenv()
    if debug:
        os.environ["FLASK_DEBUG"] = "1"
