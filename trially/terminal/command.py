"""Commands and groups of commands.

Every command declares what it `loses`: `NOTHING`, or a function that counts what its arguments
would take away. A command that loses something has `--yes`, and asks without it. The declaration
has no default, so no command can forget it.

Every command is recorded in the catalog's log, with its result, unless it declares `only_reads`.
Such a command gets transactions of PostgreSQL that only read, so the declaration is true.
"""

from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, final

import click

from trially.errors import OperatorError
from trially.terminal.confirming import Loss, ask
from trially.terminal.errors import (
    StartError,
    code_of,
    errors_as_json,
    errors_as_sentences,
)

if TYPE_CHECKING:
    from flask import Flask

JSON_FLAG = "--json"
REASON = "recorded_reason"
APP_FACTORY = "trially.app_factory"
"""Key in `Context.meta` of the function that creates the app for a command."""

HAS_SECTIONS = "trially.has_sections"
"""Key in `Context.meta` of the root: its help lists our commands in sections."""


@final
class Harmless:
    """The declaration of a command that takes nothing away."""


NOTHING: Final = Harmless()

Losses = Harmless | Callable[..., Loss | None]
"""What a command loses. The function gets the command's parameters; None means nothing this time.
"""


class Sectioned:
    """A command that Flask's flat list of commands leaves out where our sections follow it."""

    _is_hidden = False

    @property
    def hidden(self) -> bool:
        """Whether the help that is being printed leaves the command out."""
        ctx = click.get_current_context(silent=True)
        is_at_root = ctx is not None and ctx.parent is None and not ctx.resilient_parsing
        return self._is_hidden or (is_at_root and ctx is not None and HAS_SECTIONS in ctx.meta)

    @hidden.setter
    def hidden(self, is_hidden: bool) -> None:
        self._is_hidden = is_hidden


class ParsedCommand(click.Command):
    """A command whose arguments are parsed, and whose help is cut, in one way."""

    def get_short_help_str(self, limit: int = 45) -> str:  # noqa: ARG002
        """Return the whole first sentence of the help."""
        return first_sentence(self.short_help or self.help or "")

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Parse the arguments. Errors are sentences, and follow `--json`."""
        with errors_as_json(is_wanted=JSON_FLAG in args), errors_as_sentences():
            return super().make_context(info_name, args, parent, **extra)


class Command(ParsedCommand):
    """A command that asks before a loss, and whose errors are printed as one sentence.

    A command whose loss wants something typed has its own option `--yes` with a value.

    It runs in the context of an app, and is recorded unless it `only_reads`. `needs_routes=False`
    says that the app needs neither routes nor members, which makes the command start faster.
    `prepare` runs first, in that context.
    """

    def __init__(
        self,
        *args: Any,
        loses: Losses,
        only_reads: bool = False,
        needs_routes: bool = True,
        prepare: Callable[[], None] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.loses, self.only_reads = loses, only_reads
        self.needs_routes, self.prepare = needs_routes, prepare
        if not only_reads and all("--reason" not in each.opts for each in self.params):
            self.params.append(_reason_option())
        if loses is not NOTHING and all("--yes" not in each.opts for each in self.params):
            self.params.append(_yes_option())

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        is_confirmed = ctx.params.pop("is_confirmed", False)
        reason = ctx.params.pop(REASON, None) or ctx.params.get("reason")
        as_json = bool(ctx.params.get("as_json"))
        with errors_as_json(is_wanted=as_json), errors_as_sentences():
            enter_app(ctx, needs_routes=self.needs_routes)
            if self.prepare is not None:
                self.prepare()
            if not isinstance(self.loses, Harmless) and is_confirmed is not True:
                loss = self.loses(**ctx.params)
                if loss is not None:
                    ask(loss, is_confirmed or None)
            with self._reading() if self.only_reads else self._recorded(ctx, reason):
                return super().invoke(ctx)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        from trially.state import app_state

        state = app_state()
        state.only_reads, before = True, state.only_reads
        try:
            yield
        finally:
            state.only_reads = before

    @contextmanager
    def _recorded(self, ctx: click.Context, reason: str | None) -> Iterator[None]:
        from trially.state import app_state

        with app_state().record_command(ctx, reason):
            yield


class CommandGroup(Sectioned, ParsedCommand, click.Group):
    """A group of commands. The errors of its own arguments follow `--json` too."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments name."""
        with errors_as_json(is_wanted=JSON_FLAG in args):
            return super().resolve_command(ctx, args)


def command(
    name: str, *, loses: Losses, cls: type[Command] = Command, **options: Any
) -> Callable[[Callable[..., Any]], click.Command]:
    """Return a decorator that makes a command of a function; see `Command` for the options."""
    return click.command(name, cls=cls, loses=loses, **options)


def enter_app(ctx: click.Context, *, needs_routes: bool) -> None:
    """Enter the context of the app that a command runs in, unless it is the current one."""
    from flask import has_app_context

    app = app_of(ctx, needs_routes=needs_routes)
    if not (has_app_context() and app is _current_app()):
        ctx.with_resource(app.app_context())


def app_of(ctx: click.Context, *, needs_routes: bool) -> "Flask":
    """Return the current app, or else make the one that a command runs in.

    Raises `StartError` if it cannot be made.
    """
    from flask import has_app_context
    from flask.cli import ScriptInfo

    from trially.state import EXTENSION

    if has_app_context() and EXTENSION in _current_app().extensions:
        return _current_app()
    info = ctx.find_object(ScriptInfo)
    if info is not None and info.create_app is not None:
        return info.load_app()
    try:
        app: Flask = ctx.meta[APP_FACTORY](needs_routes=needs_routes)
    except OperatorError as error:
        raise StartError(f"trially cannot start. {error}", code_of(error)) from None
    return app


def _current_app() -> "Flask":
    from flask import current_app

    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    return app


def set_app_factory(ctx: click.Context | None, create: Callable[..., Any]) -> None:
    """Say how the commands below a context create their app."""
    meta: MutableMapping[str, Any] = {} if ctx is None else ctx.meta
    meta.setdefault(APP_FACTORY, create)


def first_sentence(text: str) -> str:
    """Return the first sentence of a help text, on one line."""
    paragraph = " ".join(text.strip().partition("\n\n")[0].split())
    sentence, period, _ = paragraph.partition(". ")
    return sentence + period.strip()


def _reason_option() -> click.Option:
    return click.Option(["--reason", REASON], help="Why; it is recorded with the command.")


def _yes_option() -> click.Option:
    return click.Option(
        ["--yes", "is_confirmed"], is_flag=True, help="Do not ask whether to go on."
    )
