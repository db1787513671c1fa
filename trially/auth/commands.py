"""`flask tenants members …` and `flask tenants token`."""

from uuid import UUID

import click
from flask import current_app

from trially.auth import connections, membership
from trially.auth.dev_issuer import DevIssuer
from trially.auth.members import MemberExistsError, NoMemberError
from trially.auth.permissions import PhiLevel, Role
from trially.auth.revocation import revoke_tokens
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


EXPECTED_ERRORS += [
    MemberExistsError,
    NoMemberError,
    NoDevIssuerError,
    connections.ConnectionTakenError,
    connections.NoConnectionError,
    membership.NoIssuerError,
    membership.NoSuchSiteError,
]

members = OneSentenceGroup("members", help="Say who belongs to a tenant.")
tenants.add_command(members)
connection_commands = OneSentenceGroup(
    "connections", help="Say which ways to sign in belong to a tenant."
)
tenants.add_command(connection_commands)

ROLES = click.Choice([role.value for role in Role])
PHI_LEVELS = click.Choice([level.value for level in PhiLevel])

role_option = click.option("--role", type=ROLES, required=True)
issuer_option = click.option("--issuer", help="Who vouches for them; the first trusted by default.")


@members.command("add")
@click.argument("slug")
@click.option("--subject", required=True, help="Who it is, as the issuer's tokens say it.")
@role_option
@issuer_option
@click.option("--name", "display_name")
@click.option("--email")
@click.option(
    "--phi-level",
    type=PHI_LEVELS,
    help="How much they are shown of patients; by default what is usual for the role.",
)
@click.option(
    "--site",
    "site_ids",
    type=click.UUID,
    multiple=True,
    help="Id of a site whose patients they may see; may be repeated. All sites by default.",
)
@json_option
def add(
    slug: str,
    subject: str,
    role: str,
    issuer: str | None,
    display_name: str | None,
    email: str | None,
    phi_level: str | None,
    site_ids: tuple[UUID, ...],
    *,
    as_json: bool,
) -> None:
    """Make someone a member of the tenant SLUG."""
    require_catalog()
    with tenant_context(slug):
        member = membership.add_member(
            subject,
            Role(role),
            issuer=issuer,
            display_name=display_name,
            email=email,
            phi_level=PhiLevel(phi_level) if phi_level else None,
            site_ids=site_ids or None,
        )
    print_item(member, f"Added {subject} to {slug} as {role}.", as_json=as_json)


@members.command("change")
@click.argument("slug")
@click.option("--subject", required=True)
@issuer_option
@click.option("--role", type=ROLES)
@click.option("--phi-level", type=PHI_LEVELS, help="How much they are shown of patients.")
@click.option(
    "--site",
    "site_ids",
    type=click.UUID,
    multiple=True,
    help="Id of a site whose patients they may see from now on, and no others; may be repeated.",
)
@click.option("--all-sites", "has_all_sites", is_flag=True, help="Restrict them to sites no more.")
@json_option
def change(
    slug: str,
    subject: str,
    issuer: str | None,
    role: str | None,
    phi_level: str | None,
    site_ids: tuple[UUID, ...],
    *,
    has_all_sites: bool,
    as_json: bool,
) -> None:
    """Change what a member of the tenant SLUG may do and see, within 5 seconds everywhere.

    What no option names stays as it is: another role brings no other PHI level.
    """
    if has_all_sites and site_ids:
        raise click.UsageError("--site and --all-sites contradict each other.")
    if not (role or phi_level or site_ids or has_all_sites):
        raise click.UsageError("Say --role, --phi-level, --site or --all-sites.")
    require_catalog()
    with tenant_context(slug):
        member = membership.change_member(
            subject,
            issuer,
            role=Role(role) if role else None,
            phi_level=PhiLevel(phi_level) if phi_level else None,
            site_ids=site_ids or None,
            has_all_sites=has_all_sites,
        )
    sites = "all" if member["site_ids"] is None else len(member["site_ids"])
    print_item(
        member,
        f"Changed {subject} of {slug}: role {member['role']}, PHI level {member['phi_level']},"
        f" sites {sites}.",
        as_json=as_json,
    )


@members.command("list")
@click.argument("slug")
@json_option
def list_(slug: str, *, as_json: bool) -> None:
    """List the members of the tenant SLUG."""
    require_catalog()
    with tenant_context(slug):
        items = membership.list_members()
    print_items(
        items, ("subject", "role", "phi_level", "display_name", "email", "issuer"), as_json=as_json
    )


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


@members.command("reindex")
@click.argument("slug")
@json_option
def reindex(slug: str, *, as_json: bool) -> None:
    """Note anew in the catalog who the members of the tenant SLUG are."""
    require_catalog()
    with tenant_context(slug):
        count = membership.rewrite_index()
    print_item({"tenant": slug, "members": count}, f"Noted {count} of {slug}.", as_json=as_json)


@connection_commands.command("add")
@click.argument("slug")
@click.argument("connection_id")
@json_option
def add_connection(slug: str, connection_id: str, *, as_json: bool) -> None:
    """Take who signs in with CONNECTION_ID to the tenant SLUG."""
    require_catalog()
    connections.add_connection(slug, connection_id)
    print_item(
        {"tenant": slug, "connection_id": connection_id},
        f"Added {connection_id} to {slug}.",
        as_json=as_json,
    )


@connection_commands.command("list")
@click.argument("slug")
@json_option
def list_connections(slug: str, *, as_json: bool) -> None:
    """List the connections of the tenant SLUG."""
    require_catalog()
    items = [{"connection_id": each} for each in connections.list_connections(slug)]
    print_items(items, ("connection_id",), as_json=as_json)


@connection_commands.command("remove")
@click.argument("slug")
@click.argument("connection_id")
@json_option
def remove_connection(slug: str, connection_id: str, *, as_json: bool) -> None:
    """Take CONNECTION_ID away from the tenant SLUG."""
    require_catalog()
    connections.remove_connection(slug, connection_id)
    print_item(
        {"tenant": slug, "connection_id": connection_id, "removed": True},
        f"Removed {connection_id} from {slug}.",
        as_json=as_json,
    )


@tenants.command("revoke")
@click.argument("slug")
@click.option("--subject", help="Whose tokens; everyone's by default.")
@click.option("--issuer", help="Of which issuer; of every one by default.")
@json_option
def revoke(slug: str, subject: str | None, issuer: str | None, *, as_json: bool) -> None:
    """Refuse the tokens for the tenant SLUG that were issued before now."""
    if issuer and not subject:
        raise click.UsageError("--issuer needs --subject.")
    require_catalog()
    cut_off_at = revoke_tokens(slug, subject=subject, issuer=issuer)
    whose = subject or "everyone"
    print_item(
        {"tenant": slug, "subject": subject, "issuer": issuer, "cut_off_at": cut_off_at},
        f"Revoked the tokens of {whose} for {slug} that were issued before {cut_off_at:%F %T %Z}.",
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
