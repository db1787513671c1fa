"""Commands that need the catalog: each checks it before it runs."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click
from flask.cli import with_appcontext

from trially.tenancy.schema.installing import require_catalog
from trially.terminal import Command, CommandGroup


class CatalogGroup(CommandGroup):
    """A group of commands that all need the catalog at this version's revision."""

    def command(  # type: ignore[override]
        self, *args: Any, **options: Any
    ) -> Callable[[Callable[..., Any]], click.Command]:
        """Add a command to the group; `click.Group.command` describes the arguments."""
        add = super().command(*args, **options)
        return lambda run: add(_checked(run))


def catalog_command(name: str, **options: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a command that needs the catalog, for a group of another room."""
    make = click.command(name, cls=Command, **options)
    return lambda run: make(with_appcontext(_checked(run)))


def _checked(run: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(run)
    def checked(*args: Any, **options: Any) -> Any:
        require_catalog()
        return run(*args, **options)

    return checked
