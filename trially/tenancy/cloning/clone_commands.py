"""`flask tenants clone`."""

import time
from typing import Any

import click

from trially.database.model import length_of
from trially.tenancy.catalog import MembershipIndex
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.cloning.clones import CloneOptions, clone_tenant
from trially.tenancy.lifecycle.completing import complete_server
from trially.tenancy.lifecycle.listing_commands import describe
from trially.tenancy.lifecycle.moving.reporting import MoveLine
from trially.tenancy.lifecycle.tenant_commands import slug_argument
from trially.tenancy.names import check_line
from trially.terminal import NOTHING, json_option, print_item
from trially.terminal.durations import Duration


@catalog_command("clone", loses=NOTHING)
@slug_argument
@click.argument("new_slug", metavar="NEW_SLUG")
@click.option(
    "--masked",
    is_flag=True,
    help="Make all identifiers fictitious, shift dates, and leave out free text.",
)
@click.option("--name", help="The name of the new organisation. By default NEW_SLUG.")
@click.option(
    "--to-tier",
    type=click.Choice([tier.value for tier in Tier]),
    help="Where its rows are stored. By default the tier of SLUG.",
)
@click.option(
    "--to-server",
    "server",
    shell_complete=complete_server,
    help="The server that holds it. By default the emptiest server of its region.",
)
@click.option("--owner", help="The first member, as in the claim `sub` of the issuer's tokens.")
@click.option("--owner-issuer", help="The issuer of --owner. By default the first trusted issuer.")
@click.option(
    "--max-snapshot",
    "longest_seconds",
    type=Duration(),
    default="1h",
    show_default=True,
    help="Stop a clone that holds its snapshot longer, because it holds back vacuum.",
)
@json_option
def clone(slug: str, new_slug: str, *, to_tier: str | None, as_json: bool, **options: Any) -> None:
    """Copy the tenant SLUG as the new tenant NEW_SLUG.

    The copy is that of one moment. It has no members but --owner, no audit log and no jobs of SLUG.
    If anything fails, nothing of the new tenant is left. docs/exports.md says what --masked does.

    \b
    Example:
      flask tenants clone acme acme-test --masked --owner "auth0|123"
    """  # noqa: D301
    if options["owner"] is not None:
        check_line(options["owner"], "The owner", length_of(MembershipIndex.subject))
    started = time.perf_counter()
    with MoveLine() as line:
        tenant = clone_tenant(
            slug, new_slug, CloneOptions(tier=Tier(to_tier) if to_tier else None, **options)
        )
        line.end()
    seconds = time.perf_counter() - started
    print_item(
        describe(tenant),
        f"Cloned {slug} as {tenant.slug} ({tenant.id}) in {seconds:.1f} s.",
        as_json=as_json,
    )
