"""The commands of every room, registered on the app."""

from flask import Flask

from trially.auth.commands import tenants
from trially.recruiting.imports.commands import imports
from trially.tenancy.commands import operation_commands


def init_app(app: Flask) -> None:
    """Add the commands to `flask`."""
    for group in (tenants, operation_commands, imports):
        app.cli.add_command(group)
