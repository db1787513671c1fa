"""`flask servers …`."""

import re
import sys
from collections.abc import Callable
from typing import Any

import click
from sqlalchemy import URL

from trially.config import SettingsError, with_driver
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.lifecycle.completing import complete_server
from trially.tenancy.lifecycle.server_descriptions import describe_servers, format_lag
from trially.tenancy.servers import registering
from trially.tenancy.servers.access import access_to
from trially.tenancy.servers.registering import ServerOptions
from trially.terminal import (
    NOTHING,
    Loss,
    json_option,
    plural,
    print_item,
    print_items,
    print_record,
    table_options,
)

FROM_STANDARD_INPUT = "-"
COLUMNS = ("name", "state", "region", "tenants", "capacity", "reachable", "version", "lag")

BACKUP = re.compile(r"barman:[A-Za-z0-9][A-Za-z0-9_.-]{0,62}|none")

TIER_NAMES = click.Choice([tier.value for tier in Tier])


def read_url(value: str) -> URL:
    """Parse a PostgreSQL URL. The value `-` reads the URL from standard input."""
    if value == FROM_STANDARD_INPUT:
        value = sys.stdin.readline().strip()
    try:
        url = with_driver(value, "The URL")
    except SettingsError as error:
        raise click.BadParameter(str(error)) from None
    if url.query.keys() & {"password", "sslpassword"}:
        raise click.BadParameter(
            "The password must come before the host, as in postgresql://user:password@host."
        )
    return url


def read_backup(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Return how a server is backed up; an empty text if it no longer is."""
    if value is None:
        return None
    if not BACKUP.fullmatch(value):
        raise click.BadParameter(
            f"{value!r} is not barman:NAME, with the server's name in Barman's configuration, and"
            " not none."
        )
    return "" if value == "none" else value


def server_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of `ServerOptions`, except the server's own URL, to a command."""
    options: tuple[Callable[[Any], Any], ...] = (
        click.option(
            "--pooler-url",
            type=read_url,
            metavar="URL",
            help="The pooler for tenants' connections.",
        ),
        click.option(
            "--replica",
            "replica_urls",
            type=read_url,
            metavar="URL",
            multiple=True,
            help="A read replica. May be repeated.",
        ),
        click.option("--region", help="Its region. Tenants of other regions are not placed on it."),
        click.option("--capacity", type=click.IntRange(1), help="The largest number of tenants."),
        click.option(
            "--tier",
            "tiers",
            type=TIER_NAMES,
            multiple=True,
            help="A tier that it accepts. May be repeated. By default all tiers.",
        ),
        click.option(
            "--backup",
            callback=read_backup,
            metavar="TOOL:NAME",
            help="How it is backed up, for restores to a point in time: barman:NAME, or none.",
        ),
    )
    for option in options:
        command = option(command)
    return command


def loss_of_removing(name: str, **_: Any) -> Loss:
    """Return what the catalog forgets of a server."""
    server = registering.get_server(name)
    return Loss(
        f"The catalog will forget the server {name} ({access_to(server).admin_url}), its stored"
        " password and its options. Databases on the server stay.",
        f"Remove the server {name}?",
    )


def loss_of_replicas(name: str, *, no_replicas: bool = False, **_: Any) -> Loss | None:
    """Return the replicas that `--no-replicas` removes."""
    replicas = registering.get_server(name).replica_urls
    if not no_replicas or not replicas:
        return None
    return Loss(
        f"{plural(len(replicas), 'read replica')} of {name} will be removed from the catalog,"
        " and the primary will answer all requests.",
        "Remove them?",
    )


@catalog_command("add", loses=NOTHING)
@click.argument("name")
@click.option(
    "--url",
    type=read_url,
    metavar="URL",
    required=True,
    help="The administrator's URL; `-` reads it from standard input. Its password is stored"
    " encrypted. Without a password, ~/.pgpass is read each time.",
)
@server_options
@json_option
def add(name: str, url: URL, *, as_json: bool, **options: Any) -> None:
    """Register the server NAME and prepare it for tenants.

    \b
    Example:
      flask servers add eu1 --url - --region eu --capacity 500 < administrator-url
    """  # noqa: D301
    check_name(name)
    server = registering.add_server(name, url, _read_options(**options))
    print_item(describe_servers([server])[0], f"Added the server {name}.", as_json=as_json)


@catalog_command("change", loses=loss_of_replicas)
@click.argument("name", shell_complete=complete_server)
@click.option("--url", type=read_url, metavar="URL", help="The administrator's URL.")
@click.option("--no-replicas", is_flag=True, help="Remove its read replicas.")
@server_options
@json_option
def change(name: str, *, as_json: bool, **options: Any) -> None:
    """Change the options of the server NAME.

    Options that are not passed stay unchanged, and no tenant is moved.
    """
    server = registering.change_server(name, _read_options(**options))
    print_item(describe_servers([server])[0], f"Changed the server {name}.", as_json=as_json)


@catalog_command("list", loses=NOTHING, only_reads=True, needs_routes=False)
@table_options
def list_(*, as_json: bool) -> None:
    """List the servers and their current state."""
    items = describe_servers(registering.all_servers())
    if not as_json:
        items = [{**item, "lag": format_lag(item)} for item in items]
    print_items(
        items,
        COLUMNS,
        as_json=as_json,
        optional=("reachable", "capacity", "region", "version", "lag"),
    )


@catalog_command("show", loses=NOTHING, only_reads=True, needs_routes=False)
@click.argument("name", shell_complete=complete_server)
@json_option
def show(name: str, *, as_json: bool) -> None:
    """Show the server NAME and its current state."""
    item = describe_servers([registering.get_server(name)])[0]
    print_record(item, as_json=as_json)


@catalog_command("resume", loses=NOTHING)
@click.argument("name", shell_complete=complete_server)
@json_option
def resume(name: str, *, as_json: bool) -> None:
    """Resume placing tenants on the server NAME."""
    was_draining = registering.get_server(name).is_draining
    server = registering.drain_server(name, is_draining=False)
    sentence = f"Resumed {name}." if was_draining else f"{name} is active already."
    print_item(describe_servers([server])[0], sentence, as_json=as_json)


@catalog_command("remove", loses=loss_of_removing)
@click.argument("name", shell_complete=complete_server)
@json_option
def remove(name: str, *, as_json: bool) -> None:
    """Remove the server NAME, which must have no tenants.

    Its roles, template and empty shared databases stay on it.
    """
    registering.remove_server(name)
    print_item({"name": name}, f"Removed the server {name}.", as_json=as_json)


def check_name(name: str) -> None:
    """Raise `BadParameter` for a text that cannot be the name of a server."""
    if not registering.NAME.fullmatch(name):
        raise click.BadParameter(
            f"{name!r} is not a server name. A name has 1 to 40 lower-case letters, digits and"
            " hyphens, and begins with a letter.",
            param_hint="NAME",
        )


def _read_options(
    *,
    replica_urls: tuple[URL, ...],
    tiers: tuple[str, ...],
    no_replicas: bool = False,
    **options: Any,
) -> ServerOptions:
    return ServerOptions(
        replica_urls=replica_urls or (() if no_replicas else None),
        tiers=tuple(Tier(tier) for tier in tiers) or None,
        **options,
    )
