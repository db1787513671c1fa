"""Commands that are imported when they are used."""

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click

from trially.terminal.command import Sectioned, set_app_factory


@contextmanager
def paused_collector() -> Iterator[None]:
    """Pause the garbage collector, which takes a sixth of the time of an import and finds nothing.

    Imported modules stay. So no later collection looks at them either: not the one that would
    follow at once, and not the one at the end of the process.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.freeze()
            gc.enable()


class LazyCommand(Sectioned, click.Command):
    """The name and the help of a command, and where to import it from: `package.module:name`.

    Help and completion show this entry. The command is imported when its arguments are parsed.
    """

    def __init__(
        self, name: str, target: str, short_help: str, create_app: Callable[..., Any]
    ) -> None:
        super().__init__(name, short_help=short_help, help=short_help)
        self.target, self._create_app = target, create_app

    def load(self) -> click.Command:
        """Import the command."""
        module, _, name = self.target.partition(":")
        if module not in sys.modules:  # A process of many commands must collect what each leaves.
            with paused_collector():
                import_module(module)
        loaded: click.Command = getattr(sys.modules[module], name)
        return loaded

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Import the command, and let it parse its arguments: click then runs that command."""
        set_app_factory(parent, self._create_app)
        return self.load().make_context(info_name, args, parent, **extra)
