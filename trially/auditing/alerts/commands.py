"""The command `flask audit alerts`."""

from collections.abc import Iterator, Sequence

import click
from flask import current_app
from sqlalchemy.exc import SQLAlchemyError

from trially.auditing.alerts.evaluating import evaluate
from trially.database.rows import Item
from trially.errors import OperatorError
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.context import administered_tenant
from trially.tenancy.lifecycle.completing import complete_slug
from trially.tenancy.lifecycle.listing import slugs_of_created
from trially.tenancy.repeating import in_rounds
from trially.terminal import NOTHING, print_items, table_options
from trially.terminal.durations import Duration

SHOWN = ("tenant", "rule", "member_id", "operator", "count", "threshold", "until", "id")


class NotEvaluatedError(OperatorError):
    """The rules could not be evaluated for some tenants."""


@catalog_command("alerts", loses=NOTHING)
@click.argument("slug", required=False, shell_complete=complete_slug)
@click.option("--all", "of_all", is_flag=True, help="Of all tenants.")
@click.option("--every", type=Duration(), help="Go on, and evaluate so often: 60s, 5m.")
@table_options
def alerts(slug: str | None, *, of_all: bool, every: float | None, as_json: bool) -> None:
    """Evaluate the alert rules on the new audit records of the tenant SLUG, or of all.

    The rules read only the records that they have not seen. New alerts are printed, written to the
    log, counted in the metrics, and shown by `GET /audit/alerts`. With --every, the command goes on
    until it is stopped; run it as a service, or run it without --every from cron.

    \b
    Example:
      flask audit alerts --all --every 60s
    """  # noqa: D301 - click reads \b
    if (slug is None) is not of_all:
        raise click.UsageError("Name one tenant, or pass --all.")

    def evaluate_once() -> list[str]:
        slugs = slugs_of_created() if slug is None else [slug]
        failed: list[str] = []
        found = list(_evaluate_each(slugs, failed))
        if found or every is None:
            print_items(found, SHOWN, as_json=as_json)
        return failed

    if failed := in_rounds(every, evaluate_once):
        raise NotEvaluatedError(f"The rules were not evaluated for {', '.join(failed)}. See above.")


def _evaluate_each(slugs: Sequence[str], failed: list[str]) -> Iterator[Item]:
    """Yield the new alerts of each tenant. A tenant that fails does not stop the others."""
    for slug in slugs:
        try:
            with administered_tenant(slug) as entry:
                for found in evaluate():
                    yield {"tenant": entry.slug, **found}
        except (OperatorError, SQLAlchemyError) as error:
            failed.append(slug)
            current_app.logger.error("No alerts for %s: %s.", slug, type(error).__name__)  # noqa: TRY400
            click.echo(f"{slug}: {type(error).__name__}", err=True)
