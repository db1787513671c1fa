"""The table of contents of the command line: what `flask` offers."""

from flask import Flask

from trially.auth.commands import connections, revoke, token
from trially.auth.members.commands import members
from trially.deploying import deploy
from trially.doctor.commands import doctor
from trially.proving.commands import prove_tenants
from trially.proving.signing_again import sign_again
from trially.recruiting.imports.commands import imports
from trially.tenancy.lifecycle.commands import operations, tenants
from trially.tenancy.lifecycle.key_commands import keys
from trially.tenancy.lifecycle.server_commands import servers

for command in (members, connections, revoke, token, prove_tenants):
    tenants.add_command(command)
keys.add_command(sign_again)


def init_app(app: Flask) -> None:
    """Add the commands to `flask`."""
    for command in (tenants, operations, servers, keys, imports, doctor, deploy):
        app.cli.add_command(command)
