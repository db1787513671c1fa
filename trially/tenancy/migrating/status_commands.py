"""`flask tenants status`."""

from collections import Counter
from collections.abc import Sequence

import click

from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.migrating.status import TenantRevision, read_status
from trially.terminal import NOTHING, plural, print_items, table_options

COLUMNS = ("slug", "tier", "server", "revision", "state", "quarantined", "reason", "next")


@catalog_command("status", loses=NOTHING, only_reads=True, needs_routes=False)
@click.option("--all", "is_all", is_flag=True, help="List tenants without a problem too.")
@table_options
def status(*, is_all: bool, as_json: bool) -> None:
    """List the tenants whose tables are not at this version's revision, and why.

    A quarantined tenant is one whose last migration failed. It stays in service at its revision:
    this version serves its own revision and the one before.
    """
    tenants = read_status()
    shown = [each for each in tenants if is_all or each.needs_attention]
    if as_json or shown:
        print_items(
            [each.as_item() for each in shown],
            COLUMNS,
            as_json=as_json,
            texts=("reason",),
            optional=("server", "tier", "quarantined"),
        )
    if not as_json:
        click.echo(_sentence(tenants))


def _sentence(tenants: Sequence[TenantRevision]) -> str:
    counts = Counter(each.state.value for each in tenants)
    states = ", ".join(f"{number} {state}" for state, number in sorted(counts.items()))
    quarantined = sum(each.record.quarantine is not None for each in tenants)
    return f"{plural(len(tenants), 'tenant')}: {states or 'none'}; {quarantined} quarantined."
