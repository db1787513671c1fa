"""`flask demo …`: create the demo tenants, and serve them on this machine."""

import socket
import sys
from urllib.parse import urlsplit

import click
from flask import current_app
from werkzeug.serving import run_simple

from trially.config import current_settings
from trially.demo.organisations import DEMO_ORGANISATIONS
from trially.demo.seeding import seed
from trially.dev_issuer import DevIssuer
from trially.errors import OperatorError
from trially.observability import logs
from trially.state import app_state
from trially.tenancy.schema.catalog_revision import require_catalog
from trially.terminal import (
    NOTHING,
    command,
    json_option,
    print_items,
    print_json,
)


class NotForProductionError(OperatorError):
    """A demo command was run outside development."""


class PortTakenError(OperatorError):
    """Another process listens on the address of the development server."""


@command("seed", loses=NOTHING)
@json_option
def seed_command(*, as_json: bool) -> None:
    """Create the demo tenants and their records.

    The command is idempotent: it creates only what is missing.

    \b
    Example:
      flask demo seed
    """  # noqa: D301
    _require_development()
    require_catalog()
    slugs = seed(lambda sentence: click.echo(sentence, err=True))
    if as_json:
        print_json({"tenants": slugs})
    else:
        click.echo(f"The demo tenants are ready: {', '.join(slugs)}.")


@command("serve", loses=NOTHING)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=int, help="Port to listen on.  [default: the public URL's]")
def serve(host: str, port: int | None) -> None:
    """Create the demo tenants and serve the API on this machine.

    The development server also serves the built-in issuer. Stop it with Ctrl-C.

    \b
    Example:
      flask demo serve --port 5001
    """  # noqa: D301
    issuer = _require_development()
    port = port or urlsplit(current_settings().public_url).port or 80
    _require_port(host, port)
    require_catalog()
    seed(click.echo)
    url = f"http://{host}:{port}"
    organisation = DEMO_ORGANISATIONS[0]
    person = next(person for person in organisation.people if person.role == "coordinator")
    token = issuer.issue_token(subject=person.subject, tenant=organisation.slug)
    click.echo()
    print_items(
        [
            {
                "tenant": one.slug,
                "kind": one.kind,
                "tier": one.tier,
                "name": one.name,
                "patients": one.patients,
            }
            for one in DEMO_ORGANISATIONS
        ],
        ("tenant", "kind", "tier", "name", "patients"),
        as_json=False,
    )
    click.echo(
        f"\nAPI      {url}/api/v1\nDocs     {url}/docs/\nIssuer   {issuer.url}"
        f"\n\nRequest a first patient as {person.display_name} of {organisation.name}:\n\n"
        f'curl -H "Authorization: Bearer {token}" "{url}/api/v1/patients?limit=1"\n\n'
        "Press Ctrl-C to stop the server."
    )
    logs.configure(level=current_settings().log_level, is_for_people=sys.stderr.isatty())
    run_simple(host, port, current_app._get_current_object(), threaded=True)  # type: ignore[attr-defined]  # noqa: SLF001


def _require_development() -> DevIssuer:
    issuer = app_state().dev_issuer
    if issuer is None:
        raise NotForProductionError(
            "The demo needs the built-in issuer, which is off. On a development machine, set"
            " TRIALLY_DEVELOPMENT=1."
        )
    return issuer


def _require_port(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            raise PortTakenError(
                f"Another process already listens on {host}:{port}. Choose another port:"
                " `make run PORT=…` or `flask demo serve --port …`."
            ) from None
