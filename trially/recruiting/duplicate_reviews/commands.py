"""The commands `flask patients …`."""

import click
from sqlalchemy import select

from trially.audit.recording import note
from trially.audit.working import showing_patients, working
from trially.database.rows import Item, columns_named, fetch_items, of_current_tenant
from trially.database.session import transaction
from trially.recruiting.duplicate_reviews.used import of_used_records
from trially.recruiting.duplicates.candidates import MOST_OF_A_KEY, count_frequent_keys
from trially.recruiting.duplicates.finding import find_all_duplicates
from trially.recruiting.duplicates.model import DuplicateState, PossibleDuplicate
from trially.recruiting.search.indexing import index_all_patients
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.context import administered_tenant
from trially.tenancy.lifecycle.completing import complete_slug
from trially.terminal import NOTHING, json_option, plural, print_items, print_json, table_options

MOST_LISTED = 100
SHOWN = ("id", "score", "reasons", "patient_id", "other_patient_id")


@catalog_command("duplicates", loses=NOTHING)
@click.argument("slug", metavar="TENANT", shell_complete=complete_slug)
@table_options
def duplicates(slug: str, *, as_json: bool) -> None:
    """Find the possible duplicates among all patients of TENANT, and list the first 100.

    Pairs are found when patients are created, changed or imported. This command compares all
    patients again. It prints ids, no names. Pairs that a user dismissed are left out. Of more than
    100 patients with the same value, only those with similar names are compared.

    \b
    Example:
      flask patients duplicates acme
    """  # noqa: D301 - click reads \b
    with administered_tenant(slug):
        with working():
            for _ in find_all_duplicates(transaction):
                pass
            frequent = count_frequent_keys()
        items = _list_open()
    for item in items:
        item["reasons"] = item["reasons"] if as_json else ", ".join(item["reasons"])
    print_items(items, SHOWN, as_json=as_json, texts=["reasons"])
    for kind, number in frequent.items():
        click.echo(
            f"{plural(number, 'value')} of {kind}: more than {MOST_OF_A_KEY} patients have the"
            " same. Of them, only those with similar names were compared.",
            err=True,
        )


@catalog_command("index", loses=NOTHING)
@click.argument("slug", metavar="TENANT", shell_complete=complete_slug)
@json_option
def index(slug: str, *, as_json: bool) -> None:
    """Write the search terms of all patients of TENANT again.

    A migration makes them for the patients that exist. Run this command after an upgrade during
    which processes of the older version wrote patients.

    \b
    Example:
      flask patients index acme
    """  # noqa: D301 - click reads \b
    with administered_tenant(slug), working():
        number = sum(index_all_patients(transaction))
        with transaction():
            note(indexed_patients=number)
    if as_json:
        print_json({"patients": number})
    else:
        click.echo(f"Indexed {plural(number, 'patient')} of {slug}.")


def _list_open() -> list[Item]:
    columns = columns_named(PossibleDuplicate, SHOWN)
    with showing_patients() as shown:
        items = fetch_items(
            select(*columns)
            .where(
                of_current_tenant(PossibleDuplicate),
                PossibleDuplicate.state == DuplicateState.OPEN,
                of_used_records(),
            )
            .order_by(PossibleDuplicate.score.desc(), PossibleDuplicate.id.desc())
            .limit(MOST_LISTED)
        )
        shown.show(item[name] for item in items for name in ("patient_id", "other_patient_id"))
    return items
