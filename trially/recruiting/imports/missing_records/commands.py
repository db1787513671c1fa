"""Withdraw the records that a full export lacks, at the command line."""

from typing import Any
from uuid import UUID

import click

from trially.audit.working import working
from trially.database.rows import Item, find_item
from trially.recruiting.imports.import_rows import SHOWN_COLUMNS
from trially.recruiting.imports.missing_records.withdrawing import withdraw_missing
from trially.recruiting.imports.model import Completeness, ImportJob
from trially.recruiting.imports.reading.source_files import ImportSourceError
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.context import administered_tenant, tenant_context
from trially.tenancy.lifecycle.completing import complete_slug
from trially.terminal import Loss, is_at_terminal, json_option, plural, print_json


def loss_of_missing(slug: str, import_id: UUID, **_: Any) -> Loss | None:
    """Return what is withdrawn with `withdraw`."""
    with administered_tenant(slug):
        job = find_import(slug, import_id)
        return _loss_of_missing(slug, job) if job["missing"] else None


@catalog_command("withdraw", loses=loss_of_missing)
@click.argument("slug", metavar="TENANT", shell_complete=complete_slug)
@click.argument("import_id", metavar="IMPORT_ID", type=click.UUID)
@json_option
def withdraw(slug: str, import_id: UUID, *, as_json: bool) -> None:
    """Withdraw the records that the import IMPORT_ID of TENANT lacks.

    The import must have been run with --complete, and no other import of its source may have run
    since. Withdrawn records stay, and come back with an import that has them.

    \b
    Example:
      flask imports withdraw acme 019bb5ee-3c1d-7d32-a7a8-c3f9b7a1e0aa
    """  # noqa: D301 - click reads \b
    with administered_tenant(slug):
        job = find_import(slug, import_id)
        with working():
            withdraw_missing(import_id)
    number = sum(job["missing"].values())
    if as_json:
        print_json({"id": import_id, "withdrawn": number})
    else:
        click.echo(f"Withdrew {plural(number, 'record')} that the export lacks.")


def _loss_of_missing(slug: str, job: Item) -> Loss:
    kinds = ", ".join(f"{kind} {number:,}" for kind, number in sorted(job["missing"].items()))
    return Loss(
        f"{plural(sum(job['missing'].values()), 'record')} of {slug} from {job['source']!r} will be"
        f" withdrawn, because the full export lacks them: {kinds}.",
        "Withdraw the records?",
    )


def withdraw_if_confirmed(slug: str, job: Item, *, is_confirmed: bool, may_ask: bool) -> None:
    """Withdraw the records that an import lacks, with `--yes` or if a person says so."""
    if job["completeness"] != Completeness.LISTED or not job["missing"]:
        return
    if not is_confirmed:
        if not may_ask:
            return
        if not is_at_terminal():
            click.echo(
                "Nothing was withdrawn, because nobody is there to ask. Run `flask imports"
                f" withdraw {slug} {job['id']}`."
            )
            return
        loss = _loss_of_missing(slug, job)
        click.echo(loss.what, err=True)
        if not click.confirm(loss.question, err=True):
            click.echo("Nothing was withdrawn.")
            return
    with tenant_context(slug), working():
        withdraw_missing(job["id"])
        job |= find_item(ImportJob, job["id"], SHOWN_COLUMNS) or {}
    if may_ask:
        click.echo(f"Withdrew {plural(sum(job['missing'].values()), 'record')}.")


def find_import(slug: str, import_id: UUID) -> Item:
    """Return an import of the current tenant, or raise `ImportSourceError`."""
    job = find_item(ImportJob, import_id, ("id", "source", "error_count", "missing"))
    if job is None:
        raise ImportSourceError(
            f"The tenant '{slug}' has no import {import_id}. `flask imports list {slug}` shows"
            " its imports."
        )
    return job
