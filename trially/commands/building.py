"""How commands and groups of them are made, without importing what they run."""

from typing import TYPE_CHECKING

import click

from trially.terminal.command import CommandGroup
from trially.terminal.lazy import LazyCommand, paused_collector

if TYPE_CHECKING:
    from flask import Flask


def _create_app(*, needs_routes: bool) -> "Flask":
    """Make the app that a command runs in."""
    with paused_collector():
        if needs_routes:
            from trially import create_app

            return create_app()
        from trially.base_app import create_base_app

        return create_base_app()


def group(name: str, short_help: str, *commands: click.Command) -> CommandGroup:
    """Return a group of commands."""
    return CommandGroup(name, commands=commands, help=short_help)


def lazy(name: str, target: str, short_help: str) -> LazyCommand:
    """Return a command that is imported from `target`, `MODULE:NAME`, when it runs."""
    return LazyCommand(name, target, short_help, _create_app)
