"""The table of contents of the command line: every command's name, help, and where it is.

Commands are imported when they run, so that help and completion are fast. A test compares each
help text here with the command's own.
"""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from trially.commands.audit import audit, support
from trially.commands.development import demo, openapi
from trially.commands.fleet import backups, operations, plans, usage
from trially.commands.jobs import jobs, worker
from trially.commands.organisations import analytics, organisations
from trially.commands.records import imports, match, patients, studies
from trially.commands.releases import deploy, migrations
from trially.commands.servers import doctor, keys, operators, servers
from trially.commands.tenants import tenants
from trially.commands.terminologies import terminologies, valuesets

if TYPE_CHECKING:
    from flask import Flask

__all__ = [
    "EXAMPLES",
    "SECTIONS",
    "analytics",
    "audit",
    "backups",
    "demo",
    "deploy",
    "doctor",
    "imports",
    "init_app",
    "jobs",
    "keys",
    "match",
    "migrations",
    "openapi",
    "operations",
    "operators",
    "organisations",
    "patients",
    "plans",
    "servers",
    "studies",
    "support",
    "tenants",
    "terminologies",
    "usage",
    "valuesets",
    "visible_sections",
    "worker",
]

DEVELOPMENT = "TRIALLY_DEVELOPMENT"
OFF = frozenset({"", "0", "f", "false", "n", "no", "off"})
"""As `config.reading` reads the setting, without loading what parses settings."""

SECTIONS: Mapping[str, Sequence[click.Command]] = {
    "Tenants": (tenants, plans, usage, imports, studies, match, patients, backups, operations),
    "Organisations": (organisations, analytics),
    "Jobs": (worker, jobs),
    "Terminologies": (terminologies, valuesets),
    "Servers and keys": (servers, keys, doctor, operators),
    "Audit and support": (audit, support),
    "Releases": (migrations, deploy),
    "Development": (demo, openapi),
}
"""The commands of the first level, by what they are for."""

EXAMPLES = (
    'tenants create acme --name "Acme Research"',
    "tenants list --status suspended",
    'tenants members add acme --subject "auth0|123" --role owner',
    "doctor --json",
)


def visible_sections(*, is_development: bool | None = None) -> dict[str, Sequence[click.Command]]:
    """Return the sections; demo commands are in them in development only.

    By default the environment says whether this is development.
    """
    if is_development is None:
        is_development = os.environ.get(DEVELOPMENT, "").lower() not in OFF
    return {
        title: [each for each in commands if is_development or each is not demo]
        for title, commands in SECTIONS.items()
    }


def init_app(app: "Flask", *, is_development: bool | None = None) -> None:
    """Add the commands to the app's own."""
    for commands in visible_sections(is_development=is_development).values():
        for each in commands:
            app.cli.add_command(each)
