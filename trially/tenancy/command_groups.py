"""Groups of commands that check the catalog's revision before they run."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click
from flask.cli import with_appcontext

from trially.tenancy.schema.installing import require_catalog
from trially.terminal import Command, CommandGroup


class CatalogGroup(CommandGroup):
    """A group of commands that need the catalog at the revision of this version of the code."""

    def command(  # type: ignore[override]
        self, *args: Any, **options: Any
    ) -> Callable[[Callable[..., Any]], click.Command]:
        """Return a decorator that adds a command, with the arguments of `click.Group.command`."""
        add = super().command(*args, **options)
        return lambda run: add(_checked(run))


def catalog_command(name: str, **options: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """Return a decorator that creates a command for a group of another package."""
    create = click.command(name, cls=Command, **options)
    return lambda run: create(with_appcontext(_checked(run)))


def _checked(run: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(run)
    def checked(*args: Any, **options: Any) -> Any:
        require_catalog()
        return run(*args, **options)

    return checked
