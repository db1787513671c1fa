"""`flask demo …`: create the demo tenants, and serve them on this machine."""

import click

from trially.demo import serving
from trially.demo.adding_servers import add_local_server
from trially.demo.development import require_development
from trially.demo.preparing import SLUGS, prepare
from trially.demo.report import describe_demo, format_status
from trially.demo.resetting import embedded_directories, reset
from trially.errors import OperatorError
from trially.tenancy.lifecycle.listing import list_tenants
from trially.tenancy.lifecycle.server_commands import check_name
from trially.tenancy.lifecycle.server_descriptions import describe_servers
from trially.tenancy.schema.catalog_revision import CatalogBehindError, check_catalog
from trially.terminal import NOTHING, Loss, command, json_option, print_item, print_json


class NotReadyError(OperatorError):
    """Some demo tenants could not be prepared, or none exist."""


@command("seed", loses=NOTHING)
@json_option
def seed_command(*, as_json: bool) -> None:
    """Create the demo tenants and their records.

    The command is idempotent: it migrates what is behind and creates only what is missing.

    \b
    Example:
      flask demo seed
    """  # noqa: D301
    _print_prepared(prepare(require_development(), _report), as_json=as_json)


@command("serve", loses=NOTHING)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Port to listen on.  [default: TRIALLY_PUBLIC_URL's, or 5000]",
)
def serve(host: str, port: int | None) -> None:
    """Create the demo tenants and serve the API on this machine.

    All URLs and tokens have this port, unless TRIALLY_PUBLIC_URL is set. The development server
    also serves the built-in issuer. Stop it with Ctrl-C.

    \b
    Example:
      flask demo serve --port 5001
    """  # noqa: D301
    require_development()
    serving.serve(host, port)


@command("status", loses=NOTHING, only_reads=True)
@json_option
def status(*, as_json: bool) -> None:
    """Show addresses, client ids, tokens and a web app's settings.

    The addresses are those of the server that was started last. The tokens are valid for hours.

    \b
    Example:
      flask demo status --json
    """  # noqa: D301
    issuer = require_development()
    _require_catalog()
    described = describe_demo(issuer)
    if as_json:
        print_json(described)
    else:
        click.echo(format_status(described))


@command("add-server", loses=NOTHING)
@click.argument("name", default="second")
@json_option
def add_server(name: str, *, as_json: bool) -> None:
    """Add a local PostgreSQL server to the demo, as the server NAME.

    Tenants can move to it and be created on it. It runs while the demo is served, or while a
    command runs, and `flask demo reset` deletes it. The name is `second` by default.

    \b
    Example:
      flask demo add-server second
    """  # noqa: D301
    require_development()
    check_name(name)
    _require_catalog()
    added = add_local_server(name)
    sentence = (
        f"{name} is a server of the demo already."
        if added.was_registered
        else (f"Added the server {name}. It runs while the demo is served.")
    )
    print_item(describe_servers([added.server])[0], sentence, as_json=as_json)


def _everything(**_: object) -> Loss:
    directories = " and ".join(map(str, embedded_directories()))
    return Loss(f"This deletes {directories} with {_describe_tenants()}.", "Delete them?")


@command("reset", loses=_everything)
@json_option
def reset_command(*, as_json: bool) -> None:
    """Delete the embedded PostgreSQL with all tenants, and seed again.

    The settings and the built-in issuer's key stay. Stop `make run` before.

    \b
    Example:
      flask demo reset --yes
    """  # noqa: D301
    require_development()
    embedded_directories()
    _print_prepared(reset(_report), as_json=as_json)


def _require_catalog() -> None:
    try:
        check_catalog()
    except CatalogBehindError:
        raise NotReadyError("The demo is not ready. Run `make run` or `flask demo seed`.") from None


def _describe_tenants() -> str:
    try:
        check_catalog()
    except CatalogBehindError:
        return "everything in it"
    slugs = [tenant.slug for tenant in list_tenants()]
    if not slugs:
        return "everything in it (it has no tenants)"
    more = f" and {len(slugs) - 10} more" if len(slugs) > 10 else ""
    return f"all records of {', '.join(slugs[:10])}{more}"


def _print_prepared(failures: dict[str, str], *, as_json: bool) -> None:
    """Print the demo tenants, or raise `NotReadyError` with the reason of each failure."""
    if failures:
        reasons = " ".join(f"{slug}: {reason}" for slug, reason in failures.items())
        raise NotReadyError(f"Not ready: {reasons}")
    if as_json:
        print_json({"tenants": SLUGS})
    else:
        click.echo(f"The demo tenants are ready: {', '.join(SLUGS)}.")


def _report(sentence: str) -> None:
    click.echo(sentence, err=True)
