"""`flask organisations …`: organisations above tenants, their tenants and their people."""

from typing import Any

import click

from trially.auth.organisations.verifying import organisation_audience
from trially.config import current_settings
from trially.errors import OperatorError
from trially.state import app_state
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.lifecycle.completing import complete_slug
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.organisations import managing
from trially.tenancy.organisations.model import (
    Organisation,
    OrganisationPerson,
    OrganisationRole,
    OrganisationTenant,
)
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

COLUMNS = ("organisation", "name", "joined", "invited", "people", "created_at")

organisation_argument = click.argument("organisation", metavar="ORGANISATION")
tenant_argument = click.argument("slug", metavar="SLUG", shell_complete=complete_slug)
subject_argument = click.argument("subject", metavar="SUBJECT")
issuer_option = click.option(
    "--issuer", help="The issuer of the tokens. By default the first trusted one."
)


class NoOrganisationIssuerError(OperatorError):
    """No issuer of tokens of people of organisations is trusted, or the built-in one is off."""


def loss_of_deleting(organisation: str, **_: Any) -> Loss:
    """Return how many tenants and people the organisation has."""
    found = managing.describe_organisation(organisation)
    return Loss(
        f"{organisation} has {plural(len(found.tenants), 'tenant')} and"
        f" {plural(len(found.people), 'person', 'people')}. Its people will see nothing any more,"
        " and the counts that only it sees will be deleted. The tenants stay.",
        f"Delete {organisation}?",
    )


def loss_of_removing_tenant(organisation: str, slug: str, **_: Any) -> Loss:
    """Return what the organisation no longer sees."""
    return Loss(
        f"{organisation} will see no counts of {slug} any more, also not of earlier days. To come"
        " back, the tenant has to be invited again, and its owner to accept.",
        f"Remove {slug}?",
    )


def loss_of_removing_person(organisation: str, subject: str, **_: Any) -> Loss:
    """Return who is shut out."""
    return Loss(
        f"{subject} will be shut out of {organisation} within 5 seconds.", f"Remove {subject}?"
    )


@catalog_command("create", loses=NOTHING)
@organisation_argument
@click.option("--name", required=True, help="The name that people read.")
@json_option
def create(organisation: str, *, name: str, as_json: bool) -> None:
    """Create ORGANISATION, without tenants and people.

    ORGANISATION is its short name in commands: lower-case letters, digits and hyphens.

    \b
    Example:
      flask organisations create midwest --name "Midwest Research Network"
    """  # noqa: D301
    created = managing.create_organisation(organisation, name)
    print_item(_describe(created), f"Created {organisation} ({created.id}).", as_json=as_json)


@catalog_command("list", loses=NOTHING, only_reads=True, needs_routes=False)
@table_options
def list_(*, as_json: bool) -> None:
    """List the organisations, with the numbers of their tenants and people."""
    items = [
        {
            **_describe(each.organisation),
            "joined": each.joined,
            "invited": each.invited,
            "people": each.people,
        }
        for each in managing.list_organisations()
    ]
    print_items(items, COLUMNS, as_json=as_json, optional=("created_at",))


@catalog_command("show", loses=NOTHING, only_reads=True, needs_routes=False)
@organisation_argument
@json_option
def show(organisation: str, *, as_json: bool) -> None:
    """Show ORGANISATION with its tenants and its people."""
    found = managing.describe_organisation(organisation)
    tenants = [{"tenant": slug, **_describe_stay(stay)} for slug, stay in found.tenants]
    people = [_describe_person(each) for each in found.people]
    if as_json:
        print_json({**_describe(found.organisation), "tenants": tenants, "people": people})
        return
    click.echo(f"{found.organisation.name} ({found.organisation.id})\n")
    print_items(tenants, ("tenant", "state", "invited_at", "joined_at"), as_json=False)
    click.echo()
    print_items(people, ("subject", "role", "issuer"), as_json=False)


@catalog_command("delete", loses=loss_of_deleting)
@organisation_argument
@json_option
def delete(organisation: str, *, as_json: bool) -> None:
    """Delete ORGANISATION, and keep its tenants.

    Counts that no other organisation sees are deleted with it.
    """
    deleted = managing.delete_organisation(organisation)
    print_item(_describe(deleted), f"Deleted {organisation}.", as_json=as_json)


@catalog_command("add-tenant", loses=NOTHING)
@organisation_argument
@tenant_argument
@json_option
def add_tenant(organisation: str, slug: str, *, as_json: bool) -> None:
    """Invite the tenant SLUG, whose owner has to accept, to ORGANISATION.

    Nothing is shared before. No command and no operator can accept.

    \b
    Example:
      flask organisations add-tenant midwest acme
    """  # noqa: D301
    tenant = get_tenant(slug)
    stay = managing.invite_tenant(organisation, tenant.id)
    path = f"POST /api/v1/sharing/{stay.organisation_id}/join"
    sentence = (
        f"Invited {tenant.slug} to {organisation}. An owner of the tenant accepts with {path}."
        if stay.joined_at is None
        else f"{tenant.slug} has joined {organisation} already."
    )
    print_item({"tenant": tenant.slug, **_describe_stay(stay)}, sentence, as_json=as_json)


@catalog_command("remove-tenant", loses=loss_of_removing_tenant)
@organisation_argument
@tenant_argument
@json_option
def remove_tenant(organisation: str, slug: str, *, as_json: bool) -> None:
    """Remove the tenant SLUG from ORGANISATION, or withdraw its invitation.

    \b
    Example:
      flask organisations remove-tenant midwest acme
    """  # noqa: D301
    tenant = get_tenant(slug)
    stay = managing.remove_tenant(organisation, tenant.id)
    item = {"tenant": tenant.slug, **_describe_stay(stay)}
    print_item(item, f"Removed {tenant.slug} from {organisation}.", as_json=as_json)


@catalog_command("add-person", loses=NOTHING)
@organisation_argument
@subject_argument
@click.option(
    "--role",
    type=click.Choice([str(each) for each in OrganisationRole]),
    default=str(OrganisationRole.ANALYST),
    show_default=True,
    help="What the person may do.",
)
@issuer_option
@json_option
def add_person(
    organisation: str, subject: str, *, role: str, issuer: str | None, as_json: bool
) -> None:
    """Let SUBJECT see the sums of ORGANISATION.

    SUBJECT is the claim `sub` of the person's tokens. To work in a tenant, the person needs to be a
    member of it: this command grants nothing there.

    \b
    Example:
      flask organisations add-person midwest "auth0|123"
    """  # noqa: D301
    person = managing.add_person(
        organisation, _issuer_or_first(issuer), subject, OrganisationRole(role)
    )
    sentence = f"{subject} is {role} of {organisation}."
    print_item(_describe_person(person), sentence, as_json=as_json)


@catalog_command("remove-person", loses=loss_of_removing_person)
@organisation_argument
@subject_argument
@issuer_option
@json_option
def remove_person(organisation: str, subject: str, *, issuer: str | None, as_json: bool) -> None:
    """Let SUBJECT see the sums of ORGANISATION no longer.

    \b
    Example:
      flask organisations remove-person midwest "auth0|123"
    """  # noqa: D301
    removed = _issuer_or_first(issuer)
    managing.remove_person(organisation, removed, subject)
    item = {"subject": subject, "issuer": removed}
    print_item(item, f"Removed {subject} from {organisation}.", as_json=as_json)


@catalog_command("token", loses=NOTHING)
@organisation_argument
@json_option
def token(organisation: str, *, as_json: bool) -> None:
    """Print a token of the built-in issuer for ORGANISATION (development only).

    Its holder is named analyst@ORGANISATION, and becomes an analyst there.

    \b
    Example:
      flask organisations token midwest
    """  # noqa: D301
    subject = f"analyst@{organisation}"
    printed = mint_token(organisation, subject)
    print_item({"token": printed, "subject": subject}, printed, as_json=as_json)


def mint_token(organisation: str, subject: str) -> str:
    """Return a token of the built-in issuer, whose holder is an analyst of an organisation.

    Raises `NoOrganisationIssuerError` where the built-in issuer is off.
    """
    issuer = app_state().dev_issuer
    if issuer is None:
        raise NoOrganisationIssuerError(
            "Only the built-in issuer signs tokens here, and it is off. Get a token from an issuer"
            " of TRIALLY_ORGANISATION_ISSUERS."
        )
    managing.add_person(organisation, issuer.recorded_as, subject, OrganisationRole.ANALYST)
    audience = organisation_audience(current_settings())
    return issuer.issue_token(subject=subject, tenant=None, audience=audience)


def _issuer_or_first(issuer: str | None) -> str:
    """Return the name under which an issuer's people are recorded; without one, the first."""
    verifier = app_state().organisation_verifier
    chosen = issuer or verifier.first_issuer()
    if chosen is None:
        raise NoOrganisationIssuerError(
            "No issuer of tokens of people of organisations is trusted. Set"
            " TRIALLY_ORGANISATION_ISSUERS."
        )
    return verifier.recorded_name(chosen)


def _describe(organisation: Organisation) -> dict[str, Any]:
    return {
        "id": organisation.id,
        "organisation": organisation.short_name,
        "name": organisation.name,
        "created_at": organisation.created_at,
    }


def _describe_stay(stay: OrganisationTenant) -> dict[str, Any]:
    return {
        "organisation_id": stay.organisation_id,
        "state": "invited" if stay.joined_at is None else "joined",
        "invited_at": stay.invited_at,
        "joined_at": stay.joined_at,
    }


def _describe_person(person: OrganisationPerson) -> dict[str, Any]:
    return {"subject": person.subject, "role": person.role, "issuer": person.issuer}
