"""The command `flask valuesets expand`."""

from typing import Any

import click

from trially.backfills.running import find_tenants
from trially.database.session import transaction
from trially.errors import OperatorError
from trially.recruiting.valuesets.saving import expand_again
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.context import administered_tenant
from trially.tenancy.lifecycle.completing import complete_slug
from trially.tenancy.schema.failures import describe_failure
from trially.terminal import NOTHING, plural, print_items, table_options

COLUMNS = ("tenant", "result", "changed")


class SomeNotExpandedError(OperatorError):
    """The value sets of some tenants were not expanded."""


@catalog_command("expand", loses=NOTHING)
@click.argument("slugs", nargs=-1, metavar="[SLUG]...", shell_complete=complete_slug)
@click.option("--all", "is_all", is_flag=True, help="Expand those of all tenants.")
@table_options
def expand(slugs: tuple[str, ...], *, is_all: bool, as_json: bool) -> None:
    """Expand the value sets of the tenants SLUG, or of all, with the loaded terminologies.

    Run it after a terminology was loaded. Versions stay as they are; sets that come out different
    are named, and matching uses their codes from then on. A tenant that fails is named too.

    \b
    Examples:
      flask valuesets expand --all
      flask valuesets expand acme
    """  # noqa: D301
    if bool(slugs) == is_all:
        raise click.UsageError("Name tenants, or pass --all.")
    items = [_expand(record.tenant.slug) for record in find_tenants(slugs)]
    print_items(items, COLUMNS, as_json=as_json, texts=("result", "changed"))
    failed = [item["tenant"] for item in items if item["result"] != "expanded"]
    if failed:
        raise SomeNotExpandedError(
            f"The value sets of {plural(len(failed), 'tenant')} were not expanded:"
            f" {', '.join(failed[:20])}. The table says why. Run the command for them again."
        )


def _expand(slug: str) -> dict[str, Any]:
    try:
        with administered_tenant(slug), transaction():
            changed = expand_again()
    except Exception as error:  # noqa: BLE001  the sets of other tenants must be expanded
        return {"tenant": slug, "result": describe_failure(error), "changed": ""}
    return {"tenant": slug, "result": "expanded", "changed": ", ".join(changed)}
