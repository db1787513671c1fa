"""`flask tenants members …` and `flask tenants token`."""

import click
from flask import current_app

from trially.auth import membership
from trially.auth.dev_issuer import DevIssuer
from trially.auth.members import MemberExistsError, NoMemberError
from trially.auth.permissions import Role
from trially.tenancy.commands import require_catalog
from trially.tenancy.commands import tenants as tenants
from trially.tenancy.context import tenant_context
from trially.terminal import (
    EXPECTED_ERRORS,
    OneSentenceGroup,
    json_option,
    print_item,
    print_items,
    print_json,
)


class NoDevIssuerError(RuntimeError):
    """The built-in issuer is off, as it must be in production."""


EXPECTED_ERRORS += [MemberExistsError, NoMemberError, NoDevIssuerError, membership.NoIssuerError]

members = OneSentenceGroup("members", help="Say who belongs to a tenant.")
tenants.add_command(members)

role_option = click.option(
    "--role", type=click.Choice([role.value for role in Role]), required=True
)
issuer_option = click.option("--issuer", help="Who vouches for them; the first trusted by default.")


@members.command("add")
@click.argument("slug")
@click.option("--subject", required=True, help="Who it is, as the issuer's tokens say it.")
@role_option
@issuer_option
@click.option("--name", "display_name")
@click.option("--email")
@json_option
def add(
    slug: str,
    subject: str,
    role: str,
    issuer: str | None,
    display_name: str | None,
    email: str | None,
    *,
    as_json: bool,
) -> None:
    """Make someone a member of the tenant SLUG."""
    require_catalog()
    with tenant_context(slug):
        member = membership.add_member(
            subject, Role(role), issuer=issuer, display_name=display_name, email=email
        )
    print_item(member, f"Added {subject} to {slug} as {role}.", as_json=as_json)


@members.command("list")
@click.argument("slug")
@json_option
def list_(slug: str, *, as_json: bool) -> None:
    """List the members of the tenant SLUG."""
    require_catalog()
    with tenant_context(slug):
        items = membership.list_members()
    print_items(items, ("subject", "role", "display_name", "email", "issuer"), as_json=as_json)


@members.command("remove")
@click.argument("slug")
@click.option("--subject", required=True)
@issuer_option
@json_option
def remove(slug: str, subject: str, issuer: str | None, *, as_json: bool) -> None:
    """Take someone's membership of the tenant SLUG away."""
    require_catalog()
    with tenant_context(slug):
        membership.remove_member(subject, issuer)
    print_item(
        {"tenant": slug, "subject": subject, "removed": True},
        f"Removed {subject} from {slug}.",
        as_json=as_json,
    )


@tenants.command("token")
@click.argument("slug")
@role_option
@json_option
def token(slug: str, role: str, *, as_json: bool) -> None:
    """Print a token of the built-in issuer for the tenant SLUG, and nothing else.

    It is for a member called `dev|ROLE`, who is added if need be.
    """
    issuer: DevIssuer | None = current_app.extensions.get("trially_dev_issuer")
    if issuer is None:
        raise NoDevIssuerError("The built-in issuer is off: tokens come from your own issuer.")
    require_catalog()
    subject = f"dev|{role}"
    with tenant_context(slug):
        membership.add_member(
            subject,
            Role(role),
            issuer=issuer.url,
            display_name=f"Dev {role.title()}",
            is_repeatable=True,
        )
    raw = issuer.issue_token(subject=subject, tenant=slug)
    if as_json:
        print_json(
            {"access_token": raw, "token_type": "Bearer", "expires_in": issuer.lifetime_seconds}
        )
    else:
        click.echo(raw)
