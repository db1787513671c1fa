"""`flask demo load`: load a tenant over HTTP, and compare what it holds with what was promised."""

import shutil
import sys
import time

import click

from trially.auth.members.developers import add_developer
from trially.auth.roles import Role
from trially.config import current_settings
from trially.demo.development import require_development
from trially.demo.load.clients import RenewedToken
from trially.demo.load.report import (
    ERROR_COLUMNS,
    TIMING_COLUMNS,
    describe_load,
    format_progress,
    format_verdict,
    list_errors,
    list_timings,
)
from trially.demo.load.running import Load, LoadedTenant
from trially.demo.preparing import SLUGS
from trially.demo.report import is_served
from trially.dev_issuer import DevIssuer
from trially.errors import OperatorError
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import TenantStatus
from trially.tenancy.lifecycle.completing import complete_slug
from trially.tenancy.lifecycle.listing import get_tenant, list_tenants
from trially.terminal import NOTHING, command, json_option, plural, print_items, print_json
from trially.terminal.durations import Duration

DEFAULT_SECONDS = 60
ERASED_LINE = "\r\x1b[K"


class NotServedError(OperatorError):
    """No server answers at the URL."""


@command("load", loses=NOTHING)
@click.argument("slug", shell_complete=complete_slug)
@click.option(
    "--beside",
    metavar="SLUG",
    shell_complete=complete_slug,
    help="Another tenant, with one writer and one reader.  [default: a tenant of the same"
    " database, or another one]",
)
@click.option("--writers", type=click.IntRange(1, 64), default=8, show_default=True)
@click.option("--readers", type=click.IntRange(0, 64), default=2, show_default=True)
@click.option(
    "--for",
    "seconds",
    type=Duration(),
    default=DEFAULT_SECONDS,
    help="How long to send requests.  [default: 60s]",
)
@click.option("--imports/--no-imports", default=True, help="Import patients meanwhile, as jobs.")
@click.option("--url", help="The server.  [default: the one that `make run` started last]")
@click.option(
    "--allow-errors",
    is_flag=True,
    help="Exit with 0 although requests failed, if each succeeded when it was repeated.",
)
@json_option
def load_command(
    slug: str,
    beside: str | None,
    writers: int,
    readers: int,
    seconds: float,
    url: str | None,
    *,
    imports: bool,
    allow_errors: bool,
    as_json: bool,
) -> None:
    """Load the tenant SLUG over HTTP, and check that no acknowledged write is lost.

    Writers create, change and delete patients, readers read, list and search them, and imports
    run as jobs. At the end, or after Ctrl-C, all records are read back and compared with a ledger
    of the answers. The exit status is 1 if a write is lost, doubled or elsewhere, or a request
    failed. Run one load of a tenant at a time.

    \b
    Example:
      flask demo load northstar-cro --for 5m
    """  # noqa: D301
    issuer = require_development()
    url = url or current_settings().public_url
    if not is_served(url):
        raise NotServedError(f"No server answers at {url}. Start `make run`, or pass --url.")
    tenant = get_tenant(slug)
    other = get_tenant(beside) if beside else _find_other(tenant)
    tenants = [
        LoadedTenant(
            tenant.slug, _token_of(issuer, tenant), writers, readers, importers=int(imports)
        )
    ]
    if other is not None:
        tenants.append(LoadedTenant(other.slug, _token_of(issuer, other), writers=1, readers=1))
    load = Load(url, tenants)
    passed = _run(load, seconds)
    verdict = load.verdict()
    _show("")
    if as_json:
        print_json(describe_load(load, verdict, passed))
    else:
        print_items(list_timings(load.traffic), TIMING_COLUMNS, as_json=False)
        click.echo()
        if load.traffic.errors:
            print_items(list_errors(load.traffic), ERROR_COLUMNS, as_json=False)
            click.echo()
        for line in format_verdict(load, verdict):
            click.echo(line)
    if not verdict.is_clean or (load.traffic.errors and not allow_errors):
        raise click.exceptions.Exit(1)


def _find_other(tenant: Tenant) -> Tenant | None:
    """Return an active tenant that is best in the same database, and else of the demo."""
    others = [
        each
        for each in list_tenants()
        if each.id != tenant.id and each.status == TenantStatus.ACTIVE
    ]

    def distance(other: Tenant) -> tuple[bool, bool]:
        here, there = tenant.placement, other.placement
        is_near = (here.server, here.database) == (there.server, there.database)
        return not is_near, other.slug not in SLUGS

    return min(others, key=distance, default=None)


def _token_of(issuer: DevIssuer, tenant: Tenant) -> RenewedToken:
    subject = add_developer(tenant.slug, Role.ADMIN, issuer.url)
    return RenewedToken(
        lambda: issuer.issue_token(subject=subject, tenant=tenant.slug), issuer.lifetime_seconds
    )


def _run(load: Load, seconds: float) -> float:
    """Run a load for some seconds or until Ctrl-C, and return how long it ran."""
    begun = time.monotonic()
    load.start()
    try:
        while (passed := time.monotonic() - begun) < seconds:
            _show(format_progress(load, passed))
            time.sleep(min(1.0, seconds - passed))
    except KeyboardInterrupt:
        pass
    passed = time.monotonic() - begun
    _show("Waiting for the last answers …")
    load.stop()
    _show(f"Reading back {plural(load.acknowledged(), 'acknowledged write')} …")
    return passed


def _show(line: str) -> None:
    """Show a line of progress on standard error, if that is a terminal; it is cut to its width."""
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns - 1
        click.echo(f"{ERASED_LINE}{line[:width]}", err=True, nl=False)
