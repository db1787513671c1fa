"""`flask operators …`: who may use the platform API."""

from typing import Any

import click

from trially.auth.platform.verifying import platform_audience
from trially.config import current_settings
from trially.errors import OperatorError
from trially.state import app_state
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.operators.managing import (
    add_operator,
    find_operator,
    list_operators,
    remove_operator,
)
from trially.tenancy.operators.model import PlatformOperator, PlatformRole
from trially.terminal import NOTHING, Loss, json_option, print_item, print_items, table_options

COLUMNS = ("subject", "role", "issuer", "created_at")

subject_argument = click.argument("subject", metavar="SUBJECT")
issuer_option = click.option(
    "--issuer", help="The issuer of the tokens. By default the first trusted one."
)
role_option = click.option(
    "--role",
    type=click.Choice([str(each) for each in PlatformRole]),
    required=True,
    help="What the operator may do.",
)


class NoPlatformIssuerError(OperatorError):
    """No issuer of operators' tokens is trusted, or the built-in one is off."""


def loss_of_removing(subject: str, issuer: str | None = None, **_: Any) -> Loss:
    """Return who is shut out."""
    operator = find_operator(_issuer_or_first(issuer), subject)
    return Loss(
        f"{subject} of {operator.issuer} ({operator.role}) will be shut out of the platform API"
        " within 5 seconds.",
        f"Remove {subject}?",
    )


@catalog_command("add", loses=NOTHING)
@subject_argument
@role_option
@issuer_option
@json_option
def add(subject: str, *, role: str, issuer: str | None, as_json: bool) -> None:
    """Let SUBJECT use the platform API with a role.

    SUBJECT is the claim `sub` of the operator's tokens. An operator who has another role gets this
    one. Every process knows it within 5 seconds.

    \b
    Example:
      flask operators add "auth0|123" --role platform_operator
    """  # noqa: D301
    operator, is_new = add_operator(_issuer_or_first(issuer), subject, PlatformRole(role))
    sentence = f"Added {subject} as {role}." if is_new else f"{subject} is {role} now."
    print_item(_describe(operator), sentence, as_json=as_json)


@catalog_command("list", loses=NOTHING, only_reads=True, needs_routes=False)
@table_options
def list_(*, as_json: bool) -> None:
    """List who may use the platform API."""
    items = [_describe(each) for each in list_operators()]
    print_items(items, COLUMNS, as_json=as_json, optional=("created_at",))


@catalog_command("remove", loses=loss_of_removing)
@subject_argument
@issuer_option
@json_option
def remove(subject: str, *, issuer: str | None, as_json: bool) -> None:
    """Let SUBJECT use the platform API no longer.

    What the operator has asked for, and no worker has begun, fails.

    \b
    Example:
      flask operators remove "auth0|123"
    """  # noqa: D301
    operator = remove_operator(_issuer_or_first(issuer), subject)
    print_item(_describe(operator), f"Removed {subject}.", as_json=as_json)


@catalog_command("token", loses=NOTHING)
@role_option
@json_option
def token(*, role: str, as_json: bool) -> None:
    """Print a token of the built-in issuer for the platform API (development only).

    Its holder is named as the role, and becomes an operator with it.

    \b
    Example:
      flask operators token --role platform_admin
    """  # noqa: D301
    printed = mint_token(PlatformRole(role))
    print_item({"token": printed, "role": role, "subject": role}, printed, as_json=as_json)


def mint_token(role: PlatformRole) -> str:
    """Return a token of the built-in issuer, whose holder is an operator with a role.

    Raises `NoPlatformIssuerError` where the built-in issuer is off.
    """
    issuer = app_state().dev_issuer
    if issuer is None:
        raise NoPlatformIssuerError(
            "Only the built-in issuer signs tokens here, and it is off. Get a token from an issuer"
            " of TRIALLY_PLATFORM_ISSUERS."
        )
    add_operator(issuer.recorded_as, role, role)
    audience = platform_audience(current_settings())
    return issuer.issue_token(subject=role, tenant=None, audience=audience)


def _issuer_or_first(issuer: str | None) -> str:
    """Return the name under which an issuer's operators are recorded; without one, the first."""
    verifier = app_state().platform_verifier
    chosen = issuer or verifier.first_issuer()
    if chosen is None:
        raise NoPlatformIssuerError(
            "No issuer of operators' tokens is trusted. Set TRIALLY_PLATFORM_ISSUERS."
        )
    return verifier.recorded_name(chosen)


def _describe(operator: PlatformOperator) -> dict[str, Any]:
    names = ("issuer", "subject", "role", "created_at", "updated_at")
    return {name: getattr(operator, name) for name in names}
