"""`flask support …`."""

import datetime as dt
import re
from uuid import UUID

import click

from trially.auth.members.managing import default_issuer
from trially.auth.roles import PhiLevel, Role
from trially.auth.support import grants
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.lifecycle.completing import complete_slug
from trially.tenancy.lifecycle.listing import get_tenant
from trially.terminal import NOTHING, json_option, print_item, print_items, table_options

ROLES = click.Choice([role.value for role in Role if role is not Role.OWNER])
PHI_LEVELS = click.Choice([level.value for level in PhiLevel])
_DURATION = re.compile(r"(?:(\d{1,2})h)?(?:(\d{1,4})m)?\Z")


class Duration(click.ParamType[dt.timedelta]):
    """A duration of hours and minutes, such as `2h`, `45m` or `1h30m`."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> dt.timedelta:
        """Return the duration."""
        match = _DURATION.match(str(value))
        hours, minutes = (int(part or 0) for part in match.groups()) if match else (0, 0)
        duration = dt.timedelta(hours=hours, minutes=minutes)
        if not dt.timedelta(0) < duration <= grants.LONGEST:
            self.fail("Enter a duration of at most 24 hours, such as 2h, 45m or 1h30m.", param, ctx)
        return duration


@catalog_command("request", loses=NOTHING)
@click.argument("slug", shell_complete=complete_slug)
@click.option(
    "--subject", required=True, help="The operator, as in the claim `sub` of the issuer's tokens."
)
@click.option("--issuer", help="The issuer of --subject. By default the first trusted issuer.")
@click.option(
    "--reason", required=True, help="Why. The tenant's owner reads it, so name no patient."
)
@click.option("--ticket", required=True, help="The ticket of the tenant's question.")
@click.option("--for", "duration", type=Duration(), required=True, help="How long, such as 2h.")
@click.option("--role", type=ROLES, default="viewer", show_default=True, help="The role.")
@click.option(
    "--phi-level",
    type=PHI_LEVELS,
    default="none",
    show_default=True,
    help="How much of patients' data the operator sees.",
)
@json_option
def request(
    slug: str,
    subject: str,
    issuer: str | None,
    reason: str,
    ticket: str,
    duration: dt.timedelta,
    role: str,
    phi_level: str,
    *,
    as_json: bool,
) -> None:
    """Request support access to the tenant SLUG.

    The time begins when another person approves the request.

    \b
    Example:
      flask support request acme --subject "ops|7" --reason "Import stops" --ticket T-12 --for 2h
    """  # noqa: D301
    grant = grants.request_grant(
        slug,
        subject,
        issuer=issuer or default_issuer(),
        reason=reason,
        ticket=ticket,
        duration=duration,
        role=Role(role),
        phi_level=PhiLevel(phi_level),
    )
    print_item(
        grants.describe(grant, slug),
        f"Requested {grant.id}. Another person approves it: `flask support approve {grant.id}`.",
        as_json=as_json,
    )


@catalog_command("approve", loses=NOTHING)
@click.argument("grant_id", type=click.UUID)
@json_option
def approve(grant_id: UUID, *, as_json: bool) -> None:
    """Approve the support grant GRANT_ID, which another person requested."""
    grant = grants.approve_grant(grant_id)
    print_item(
        grants.describe(grant, get_tenant(str(grant.tenant_id)).slug),
        f"Approved {grant_id}. It ends at {grant.expires_at:%F %T %Z}.",
        as_json=as_json,
    )


@catalog_command("revoke", loses=NOTHING)
@click.argument("grant_id", type=click.UUID)
@json_option
def revoke(grant_id: UUID, *, as_json: bool) -> None:
    """Revoke the support grant GRANT_ID. It ends within 5 seconds."""
    grant = grants.revoke_grant(grant_id)
    print_item(
        grants.describe(grant, get_tenant(str(grant.tenant_id)).slug),
        f"Revoked {grant_id}.",
        as_json=as_json,
    )


@catalog_command("list", loses=NOTHING, only_reads=True)
@click.argument("slug", required=False, shell_complete=complete_slug)
@table_options
def list_(slug: str | None, *, as_json: bool) -> None:
    """List the support grants, or those of the tenant SLUG, newest first."""
    print_items(
        grants.list_grants(slug),
        ("id", "tenant", "state", "subject", "role", "phi_level", "ticket", "expires_at"),
        as_json=as_json,
        texts=("ticket",),
        optional=("ticket", "phi_level", "role", "subject"),
    )
