"""`flask tenants api-keys …`."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import click

from trially.auth.api_keys.managing import delete_keys, list_keys
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.context import administered_tenant
from trially.tenancy.lifecycle.completing import complete_slug
from trially.terminal import (
    NOTHING,
    Loss,
    json_option,
    plural,
    print_item,
    print_items,
    table_options,
)


def loss_of_keys(slug: str, key_ids: Sequence[UUID], **_: Any) -> Loss:
    """Return which programs are shut out."""
    with administered_tenant(slug):
        keys = list_keys()
    named = [each["name"] for each in keys if not key_ids or each["id"] in key_ids]
    return Loss(
        f"{plural(len(named), 'API key')} of {slug} will be refused within 5 seconds, for good:"
        f" {', '.join(named) or 'none'}.",
        "Revoke?",
    )


@catalog_command("list", loses=NOTHING, only_reads=True, needs_routes=False)
@click.argument("slug", shell_complete=complete_slug)
@table_options
def list_(slug: str, *, as_json: bool) -> None:
    """List the API keys of the tenant SLUG."""
    with administered_tenant(slug):
        items = list_keys()
    print_items(
        items,
        ("id", "name", "subject", "phi_level", "expires_at", "last_used_at"),
        as_json=as_json,
        texts=("name",),
        optional=("last_used_at", "phi_level"),
    )


@catalog_command("revoke", loses=loss_of_keys)
@click.argument("slug", shell_complete=complete_slug)
@click.option(
    "--key", "key_ids", type=click.UUID, multiple=True, help="A key's id. May be repeated."
)
@click.option("--all", "is_all", is_flag=True, help="Revoke all keys of the tenant.")
@json_option
def revoke(slug: str, key_ids: tuple[UUID, ...], *, is_all: bool, as_json: bool) -> None:
    """Revoke API keys of the tenant SLUG.

    `flask tenants revoke` rejects tokens only. After a breach, run both.
    """
    if is_all is bool(key_ids):
        raise click.UsageError("Pass either --key or --all.")
    with administered_tenant(slug):
        count = delete_keys(None if is_all else key_ids)
    print_item(
        {"tenant": slug, "revoked": count},
        f"Revoked {plural(count, 'API key')} of {slug}.",
        as_json=as_json,
    )
