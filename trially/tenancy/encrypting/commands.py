"""`flask tenants encrypt`."""

import sys
from typing import Any

import click

from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.encrypting.operation import Change, change_fields, plan_change
from trially.tenancy.encrypting.states import describe_fields
from trially.tenancy.lifecycle.listing_commands import describe
from trially.tenancy.lifecycle.tenant_commands import slug_argument
from trially.terminal import NOTHING, json_option, plural, print_item

SHOWN_EVERY = 1_000
"""Rows between two lines of the progress."""


@catalog_command("encrypt", loses=NOTHING)
@slug_argument
@click.option("--off", "is_off", is_flag=True, help="Decrypt the fields instead.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@json_option
def encrypt(slug: str, *, is_off: bool, dry_run: bool, as_json: bool) -> None:
    """Encrypt the fields of the tenant SLUG that identify patients.

    They are sealed with the newest version of the tenant's data key, while the tenant works. After
    `flask keys rotate-data SLUG`, the command seals them again. docs/field-encryption.md has the
    fields, and the searches that the tenant loses.

    \b
    Example:
      flask tenants encrypt acme --dry-run
    """  # noqa: D301
    change = plan_change(slug, is_on=not is_off)
    if dry_run or not change.is_needed:
        print_item(_described(change), _plan(change), as_json=as_json)
        return
    report = _Report()
    tenant = change_fields(change, report)
    print_item(
        {**describe(tenant), "fields": describe_fields(tenant), "rows": report.rows},
        f"The fields of {tenant.slug} are {describe_fields(tenant)}."
        f" {plural(report.rows, 'row')} visited.",
        as_json=as_json,
    )


class _Report:
    """Counts the rows that were visited, and says so on a terminal."""

    def __init__(self) -> None:
        self.rows = 0
        self._shown = 0

    def __call__(self, rows: int) -> None:
        self.rows += rows
        if sys.stderr.isatty() and self.rows - self._shown >= SHOWN_EVERY:
            self._shown = self.rows
            click.echo(f"\r{self.rows:,} rows", err=True, nl=False)


def _described(change: Change) -> dict[str, Any]:
    return {
        "slug": change.tenant.slug,
        "fields": describe_fields(change.tenant),
        "version": change.state.version,
        "is_needed": change.is_needed,
    }


def _plan(change: Change) -> str:
    now = f"The fields of {change.tenant.slug} are {describe_fields(change.tenant)}."
    if not change.is_needed:
        return f"{now} Nothing is to be changed."
    version = change.state.version
    if version is None:
        return f"{now} They would be decrypted. Nothing was changed."
    return f"{now} They would be encrypted with version {version}. Nothing was changed."
