"""The commands of every room, registered on the app."""

from flask import Flask

from trially.doctor.commands import doctor
from trially.proving.commands import tenants
from trially.recruiting.imports.commands import imports
from trially.tenancy.commands import operation_commands
from trially.tenancy.server_commands import servers


def init_app(app: Flask) -> None:
    """Add the commands to `flask`."""
    for command in (tenants, operation_commands, servers, imports, doctor):
        app.cli.add_command(command)
