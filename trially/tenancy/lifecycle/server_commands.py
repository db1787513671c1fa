"""`flask servers …`."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import click
from sqlalchemy import URL, func, select

from trially.config import SettingsError, with_driver
from trially.tenancy.catalog import PlacementRecord, Server, Tier, catalog_transaction
from trially.tenancy.command_groups import CatalogGroup
from trially.tenancy.servers import registering
from trially.tenancy.servers.access import access_to
from trially.tenancy.servers.probing import ServerState, probe_servers
from trially.tenancy.servers.registering import ServerOptions
from trially.terminal import (
    json_option,
    print_item,
    print_items,
)

FROM_STANDARD_INPUT = "-"
SHOWN = ("name", "state", "region", "tenants", "capacity", "reachable", "version", "lag")

servers = CatalogGroup("servers", help="Say which PostgreSQL servers hold tenants.")

TIER_NAMES = click.Choice([tier.value for tier in Tier])


def read_url(value: str) -> URL:
    """Read a URL of PostgreSQL; `-` is one that comes in on the standard input."""
    if value == FROM_STANDARD_INPUT:
        value = sys.stdin.readline().strip()
    try:
        url = with_driver(value, "A URL")
    except SettingsError as error:
        raise click.BadParameter(str(error)) from None
    if url.query.keys() & {"password", "sslpassword"}:
        raise click.BadParameter("A password belongs before the host, where it is seen to be one.")
    return url


def terms_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say what a server is and takes."""
    options: tuple[Callable[[Any], Any], ...] = (
        click.option(
            "--pooler-url", type=read_url, metavar="URL", help="Where tenants' transactions go."
        ),
        click.option(
            "--replica",
            "replica_urls",
            type=read_url,
            metavar="URL",
            multiple=True,
            help="Where a read replica is; may be repeated.",
        ),
        click.option(
            "--region", help="Where it is: tenants of other regions are not placed there."
        ),
        click.option("--capacity", type=click.IntRange(1), help="How many tenants it takes."),
        click.option(
            "--tier",
            "tiers",
            type=TIER_NAMES,
            multiple=True,
            help="A tier that it takes; may be repeated. All by default.",
        ),
    )
    for option in options:
        command = option(command)
    return command


@servers.command("add")
@click.argument("name")
@click.option(
    "--url",
    type=read_url,
    metavar="URL",
    required=True,
    help="Its administrator's; `-` reads it from the standard input. A password in it is kept"
    " sealed; without one, ~/.pgpass is asked each time.",
)
@terms_options
@json_option
def add(name: str, url: URL, *, as_json: bool, **said: Any) -> None:
    """Take in a server, to be called NAME, and make it ready for tenants."""
    _check_name(name)
    server = registering.add_server(name, url, _read_terms(**said))
    print_item(_describe([server])[0], f"Added the server {name}.", as_json=as_json)


@servers.command("change")
@click.argument("name")
@click.option("--url", type=read_url, metavar="URL", help="Its administrator's, from now on.")
@click.option("--no-replicas", is_flag=True, help="It has no read replicas any more.")
@terms_options
@json_option
def change(name: str, *, as_json: bool, **said: Any) -> None:
    """Change what is said of the server NAME. Tenants stay where they are."""
    server = registering.change_server(name, _read_terms(**said))
    print_item(_describe([server])[0], f"Changed the server {name}.", as_json=as_json)


@servers.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List the servers, and look at each."""
    items = _describe(registering.all_servers())
    if not as_json:
        items = [{**item, "lag": _say_lag(item)} for item in items]
    print_items(items, SHOWN, as_json=as_json)


@servers.command("show")
@click.argument("name")
@json_option
def show(name: str, *, as_json: bool) -> None:
    """Show the server NAME, and look at it."""
    item = _describe([registering.get_server(name)])[0]
    rows = "\n".join(f"{key:<16} {_say(value)}" for key, value in item.items())
    print_item(item, rows, as_json=as_json)


@servers.command("drain")
@click.argument("name")
@json_option
def drain(name: str, *, as_json: bool) -> None:
    """TenantDatabase no more tenants on the server NAME. Those on it stay."""
    server = registering.drain_server(name, is_draining=True)
    print_item(_describe([server])[0], f"Draining {name}.", as_json=as_json)


@servers.command("resume")
@click.argument("name")
@json_option
def resume(name: str, *, as_json: bool) -> None:
    """TenantDatabase tenants on the server NAME again."""
    server = registering.drain_server(name, is_draining=False)
    print_item(_describe([server])[0], f"Resumed {name}.", as_json=as_json)


@servers.command("remove")
@click.argument("name")
@json_option
def remove(name: str, *, as_json: bool) -> None:
    """Forget the server NAME, on which no tenant is."""
    registering.remove_server(name)
    print_item({"name": name}, f"Removed the server {name}.", as_json=as_json)


def _check_name(name: str) -> None:
    if not registering.NAME.fullmatch(name):
        raise click.BadParameter(
            "a name is of 1 to 40 lower-case letters, digits and hyphens, a letter first.",
            param_hint="NAME",
        )


def _read_terms(
    *,
    replica_urls: tuple[URL, ...],
    tiers: tuple[str, ...],
    no_replicas: bool = False,
    **said: Any,
) -> ServerOptions:
    return ServerOptions(
        replica_urls=replica_urls or (() if no_replicas else None),
        tiers=tuple(Tier(tier) for tier in tiers) or None,
        **said,
    )


def _describe(found: Sequence[Server]) -> list[dict[str, Any]]:
    """Describe servers as the catalog has them and as they are, looking at all of them at once."""
    with catalog_transaction() as session:
        rows = session.execute(
            select(PlacementRecord.server_id, PlacementRecord.tier, func.count())
            .where(PlacementRecord.is_active)
            .group_by(PlacementRecord.server_id, PlacementRecord.tier)
        ).all()
    accesses = [access_to(server) for server in found]
    states = probe_servers([(each.administrator_url(), each.replica_urls) for each in accesses])
    return [
        _describe_one(
            server,
            state,
            {tier: count for server_id, tier, count in rows if server_id == server.id},
        )
        for server, state in zip(found, states, strict=True)
    ]


def _describe_one(server: Server, state: ServerState, tenants: dict[str, int]) -> dict[str, Any]:
    access = access_to(server)
    return {
        "name": server.name,
        "url": str(access.admin_url),
        "pooler_url": str(access.pooler_url) if access.pooler_url else None,
        "state": "draining" if server.is_draining else "active",
        "region": server.region,
        "tiers": server.tiers or [tier.value for tier in Tier],
        "capacity": server.capacity,
        "tenants": sum(tenants.values()),
        "tenants_by_tier": tenants,
        "reachable": state.is_reachable,
        "version": state.version,
        "replicas": [asdict(replica) for replica in state.replicas],
    }


def _say_lag(item: dict[str, Any]) -> str:
    """Say how far behind the replicas of a server are."""
    lags = (each["lag_seconds"] for each in item["replicas"])
    return ", ".join("away" if lag is None else f"{lag:.1f} s" for lag in lags)


def _say(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_say(each) for each in value) or "-"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_say(each)}" for name, each in value.items()) or "-"
    return "-" if value is None else str(value)
