"""`flask db`, with `flask db lint`."""

import click

from trially.tenancy.linting.checking import lint
from trially.tenancy.schema.migration_commands import migrations
from trially.terminal import NOTHING, command, json_option, print_items

COLUMNS = ("migration", "rule", "subject", "advice")

__all__ = ["migrations"]


@command("lint", loses=NOTHING, only_reads=True)
@json_option
def lint_migrations(*, as_json: bool) -> None:
    """Check the SQL of all migrations for dangerous locks and unprotected tables.

    No database is needed. Findings that are accepted are in migrations/accepted_findings.toml, each
    with a reason. The exit status is 1 if there are others.
    """
    findings, needless = lint()
    items = [{name: getattr(each, name) for name in COLUMNS} for each in findings]
    if as_json or items:
        print_items(items, COLUMNS, as_json=as_json, texts=("subject", "advice"))
    for sentence in needless:
        click.echo(sentence, err=True)
    if items or needless:
        raise click.exceptions.Exit(1)
    if not as_json:
        click.echo("No finding that is not accepted.")


migrations.add_command(lint_migrations)
