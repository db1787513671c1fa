"""The command `flask imports bulk`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from trially.config import current_settings
from trially.recruiting.imports.bulk import records
from trially.recruiting.imports.bulk.authorization import (
    TokenSource,
    read_signing_key,
    scope_of,
)
from trially.recruiting.imports.bulk.connections import Connector, Hosts
from trially.recruiting.imports.bulk.errors import BulkError
from trially.recruiting.imports.bulk.exports import (
    ExportClient,
    ExportRequest,
    read_configuration,
)
from trially.recruiting.imports.bulk.retrying import Pauses
from trially.recruiting.imports.bulk.running import Download, ExportRun
from trially.recruiting.imports.command_options import check_source
from trially.recruiting.imports.commands import import_files
from trially.recruiting.imports.fhir.translating import IMPORTED_TYPES
from trially.recruiting.imports.reading.source_files import find_source_files
from trially.recruiting.imports.running import fingerprint_of
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.completing import complete_slug
from trially.terminal import NOTHING, json_option, plural, print_json

ALL_TYPES = "all"


@catalog_command("bulk", loses=NOTHING)
@click.argument("slug", metavar="TENANT", shell_complete=complete_slug)
@click.argument("source", callback=lambda _context, _parameter, value: check_source(value))
@click.option("--url", required=True, help="Base URL of the FHIR server.")
@click.option("--group", metavar="ID", help="Export the patients of this group.")
@click.option("--system", "is_system", is_flag=True, help="Export the whole system.")
@click.option(
    "--types",
    metavar="A,B",
    help="Types of resources, or 'all'.  [default: those that are imported]",
)
@click.option("--since", metavar="TIME", help="Export what changed since.  [default: last export]")
@click.option("--full", is_flag=True, help="Export everything, whatever the last export had.")
@click.option("--client-id", metavar="ID", help="Client id of SMART Backend Services.")
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Private key of the client: a JWK or PEM.",
)
@click.option("--key-id", metavar="KID", help="Name of the key, if the file does not have it.")
@click.option("--scope", metavar="SCOPE", help="Scope of the access token.")
@click.option(
    "--trust-host",
    "trusted_hosts",
    metavar="HOST",
    multiple=True,
    help="Host that may be private and get the access token.",
)
@click.option(
    "--allow-host",
    "allowed_hosts",
    metavar="HOST",
    multiple=True,
    help="Public host of files, or of the token endpoint.",
)
@click.option("--resume", is_flag=True, help="Continue an export that was interrupted.")
@click.option("--restart", is_flag=True, help="Start again, and forget an unfinished export.")
@click.option("--strict", is_flag=True, help="Stop at the first line that cannot be imported.")
@click.option("--dry-run", is_flag=True, help="Log in, show the request, and change nothing.")
@json_option
def bulk(
    slug: str,
    source: str,
    *,
    url: str,
    group: str | None,
    is_system: bool,
    types: str | None,
    since: str | None,
    full: bool,
    client_id: str | None,
    key_file: Path | None,
    key_id: str | None,
    scope: str | None,
    trusted_hosts: Sequence[str],
    allowed_hosts: Sequence[str],
    resume: bool,
    restart: bool,
    strict: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Import an export of a Bulk Data server into TENANT.

    SOURCE is the name of the system. The command requests the export, waits for it, downloads its
    files and imports them. The next one asks only for what changed since.

    \b
    Example:
      flask imports bulk acme epic --url https://fhir.example.org/r4 --client-id trially \\
        --key-file epic.jwk --group 4711
    """  # noqa: D301 - click reads \b
    if group and is_system:
        raise click.UsageError("Name --group or --system, not both.")
    if since and full:
        raise click.UsageError("Name --since or --full, not both.")
    if resume and restart:
        raise click.UsageError("Name --resume or --restart, not both.")
    request = ExportRequest(url.rstrip("/"), group, is_system, _read_types(types), since)
    request.check()
    connector = Connector(Hosts(url, trusted_hosts, allowed_hosts))
    client, token_url = _connect(connector, url, client_id, key_file, key_id, scope)
    with tenant_context(slug):
        if not since and not full:
            last = records.find_last_time(source, request)
            request = ExportRequest(request.base_url, group, is_system, request.types, last)
    if dry_run:
        _show_request(request, client, token_url, as_json=as_json)
        return
    run = ExportRun(slug, source, request, client, _report)
    if resume:
        run.resume()
    else:
        run.begin(restarts=restart)
    with run.locked():
        _run(run, slug, source, strict=strict, as_json=as_json)


def _run(run: ExportRun, slug: str, source: str, *, strict: bool, as_json: bool) -> None:
    download = run.download()
    _warn(download)
    files = [*_sorted(download.deleted), *_sorted(download.output)]
    export = {
        "id": run.export_id,
        "since": run.request.since,
        "files": len(download.output),
        "deleted_files": len(download.deleted),
        "issues": download.outcomes.counts,
    }
    if files:
        import_files(
            slug,
            files,
            source=source,
            fingerprint=fingerprint_of(files),
            strict=strict,
            as_json=as_json,
            more={"export": export},
        )
    elif as_json:
        print_json({"export": export})
    else:
        click.echo(f"The export has no records. Nothing changed since {run.request.since}.")
    run.finish(download)
    if download.outcomes.failures:
        raise BulkError(
            f"The server reported {plural(download.outcomes.failures, 'error')}: records are"
            " missing in its export. The next export asks for the same time again."
        )


def _connect(
    connector: Connector,
    url: str,
    client_id: str | None,
    key_file: Path | None,
    key_id: str | None,
    scope: str | None,
) -> tuple[ExportClient, str | None]:
    """Return a client of the server, and its token endpoint if it needs tokens."""
    if (client_id is None) != (key_file is None):
        raise click.UsageError("Name both --client-id and --key-file, or none of them.")
    client = ExportClient(connector, Pauses(current_settings().max_bulk_seconds))
    if client_id is None or key_file is None:
        return client, None
    key = read_signing_key(key_file, key_id)
    configuration = read_configuration(client, url)
    token_url: str = configuration["token_endpoint"]
    client.tokens = TokenSource(
        connector, token_url, client_id, key, scope or scope_of(configuration)
    )
    return client, token_url


def _read_types(types: str | None) -> tuple[str, ...]:
    if types is None:
        return tuple(sorted(IMPORTED_TYPES))
    if types == ALL_TYPES:
        return ()
    return tuple(sorted({name.strip() for name in types.split(",") if name.strip()}))


def _show_request(
    request: ExportRequest, client: ExportClient, token_url: str | None, *, as_json: bool
) -> None:
    if client.tokens is not None:
        client.tokens.token()
    if as_json:
        print_json({"url": request.url, "since": request.since, "token_endpoint": token_url})
        return
    if token_url is not None:
        click.echo(f"The token endpoint {token_url} issued an access token.")
    click.echo(f"The export would be requested with: {request.url}")
    click.echo("Nothing was requested or imported.")


def _sorted(paths: Sequence[Path]) -> list[Any]:
    return find_source_files(paths) if paths else []


def _report(progress: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"Export: {progress}", err=True)


def _warn(download: Download) -> None:
    for name, number in sorted(download.outcomes.counts.items()):
        click.echo(f"The server reports {plural(number, 'issue')}: {name}.", err=True)
    for text in download.outcomes.texts:
        click.echo(f"  {text}", err=True)
