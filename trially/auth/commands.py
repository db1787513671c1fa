"""`flask tenants connections …`, `flask tenants revoke` and `flask tenants token`."""

from dataclasses import asdict
from typing import Any

import click

from trially.auth import connections as auth_connections
from trially.auth.members.developers import add_developer
from trially.auth.revocation import revoke_tokens
from trially.auth.roles import Role
from trially.errors import OperatorError
from trially.state import app_state
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.lifecycle.completing import complete_slug
from trially.tenancy.lifecycle.listing import count_members, get_tenant
from trially.terminal import (
    NOTHING,
    Loss,
    json_option,
    plural,
    print_item,
    print_items,
    print_json,
    table_options,
)


def loss_of_connection(slug: str, connection_id: str, **_: Any) -> Loss:
    """Return who cannot sign in without a connection."""
    tenant = get_tenant(slug)
    return Loss(
        f"Tokens of logins through {connection_id} will be refused for {tenant.slug}"
        f" ({tenant.name}), which has {plural(count_members(tenant), 'member')}.",
        f"Remove {connection_id}?",
    )


def loss_of_tokens(slug: str, subject: str | None, issuer: str | None, **_: Any) -> Loss:
    """Return who must sign in again."""
    _check_issuer(subject, issuer)
    tenant = get_tenant(slug)
    who = subject or f"All {plural(count_members(tenant), 'member')}, and all machine clients,"
    return Loss(
        f"{who} of {tenant.slug} ({tenant.name}) must sign in again, because tokens that were"
        " issued before now will be rejected.",
        "Revoke the tokens?",
    )


class NoDevIssuerError(OperatorError):
    """The built-in issuer is off, as production requires."""


@catalog_command("add", loses=NOTHING)
@click.argument("slug", shell_complete=complete_slug)
@click.argument("connection_id")
@json_option
def add_connection(slug: str, connection_id: str, *, as_json: bool) -> None:
    """Map the connection CONNECTION_ID to the tenant SLUG.

    A connection is a way to sign in at an identity provider. Tokens of logins through it are for
    the tenant, if the issuer's profile has `tenant = { by = "connection" }`.

    \b
    Example:
      flask tenants connections add acme con_8fJ2kQ
    """  # noqa: D301
    is_new = auth_connections.add_connection(slug, connection_id)
    print_item(
        {"tenant": slug, "connection_id": connection_id},
        f"Added {connection_id} to {slug}."
        if is_new
        else f"{connection_id} is mapped to {slug} already.",
        as_json=as_json,
    )


@catalog_command("list", loses=NOTHING, only_reads=True, needs_routes=False)
@click.argument("slug", shell_complete=complete_slug)
@table_options
def list_connections(slug: str, *, as_json: bool) -> None:
    """List the connections of the tenant SLUG.

    `origin` says who has brought a connection: an operator, or an owner of the tenant, who has
    registered an issuer of the tenant's own.
    """
    items = [asdict(each) for each in auth_connections.list_connections(slug)]
    print_items(
        items, ("connection_id", "origin", "issuer", "state"), as_json=as_json, texts=["issuer"]
    )


@catalog_command("remove", loses=loss_of_connection)
@click.argument("slug", shell_complete=complete_slug)
@click.argument("connection_id")
@json_option
def remove_connection(slug: str, connection_id: str, *, as_json: bool) -> None:
    """Remove the connection CONNECTION_ID of the tenant SLUG.

    It may be an issuer that an owner of the tenant has registered. Its tokens are refused within 5
    seconds, and its members need another way in.
    """
    auth_connections.remove_connection(slug, connection_id)
    print_item(
        {"tenant": slug, "connection_id": connection_id, "removed": True},
        f"Removed {connection_id} from {slug}.",
        as_json=as_json,
    )


@catalog_command("revoke", loses=loss_of_tokens)
@click.argument("slug", shell_complete=complete_slug)
@click.option("--subject", help="The subject whose tokens are revoked. By default all subjects.")
@click.option("--issuer", help="The issuer of --subject. By default all issuers.")
@json_option
def revoke(slug: str, subject: str | None, issuer: str | None, *, as_json: bool) -> None:
    """Revoke the tokens for the tenant SLUG.

    Tokens issued before now are rejected. A member can sign in again and get another token, so
    remove the member as well if access must end.
    """
    _check_issuer(subject, issuer)
    cut_off_at = revoke_tokens(slug, subject=subject, issuer=issuer)
    subjects = subject or "all subjects"
    print_item(
        {"tenant": slug, "subject": subject, "issuer": issuer, "cut_off_at": cut_off_at},
        f"Revoked the tokens of {subjects} for {slug} issued before {cut_off_at:%F %T %Z}.",
        as_json=as_json,
    )


@catalog_command("token", loses=NOTHING)
@click.argument("slug", shell_complete=complete_slug)
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    required=True,
    help="The role of the token's member.",
)
@json_option
def token(slug: str, role: str, *, as_json: bool) -> None:
    """Print a development token for the tenant SLUG.

    The built-in issuer signs it for the member `dev|ROLE`, who is added if missing.

    \b
    Example:
      curl -H "Authorization: Bearer $(flask tenants token acme --role admin)" …
    """  # noqa: D301
    issuer = app_state().dev_issuer
    if issuer is None:
        raise NoDevIssuerError(
            "The built-in issuer is off (TRIALLY_DEV_ISSUER). Get tokens from your own issuer."
        )
    subject = add_developer(slug, Role(role), issuer.url)
    raw = issuer.issue_token(subject=subject, tenant=slug)
    if as_json:
        print_json(
            {"access_token": raw, "token_type": "Bearer", "expires_in": issuer.lifetime_seconds}
        )
    else:
        click.echo(raw)


def _check_issuer(subject: str | None, issuer: str | None) -> None:
    if issuer and not subject:
        raise click.UsageError("--issuer needs --subject.")
