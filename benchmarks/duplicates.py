"""Measure the search for possible duplicates among patients who all have one birth date.

Sources write a date such as 1900-01-01 for an unknown one. Among the patients are pairs of one
person, whose second record has a typing error in the family name. Run as
`python -m benchmarks.duplicates`.
"""

import argparse
import datetime as dt
import json
import time
from collections.abc import Iterator
from typing import Any

from sqlalchemy import text
from uuid_utils.compat import uuid7

from benchmarks import search_seeding
from benchmarks.installation import installation
from benchmarks.populations import make_patients
from trially.database.session import db, transaction
from trially.recruiting.duplicates.finding import find_all_duplicates
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant

UNKNOWN = dt.date(1900, 1, 1)
TYPING_ERRORS = 100
"""Of so many patients there is a second record."""


def main() -> None:
    """Print the seconds for all patients, and how many of the planted pairs were found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=20_000)
    options = parser.parse_args()
    figures: dict[str, Any] = {"patients": options.patients}
    with installation() as installed, installed.app.app_context():
        for tier in (Tier.DEDICATED_DATABASE, Tier.POOLED_ROWS):
            tenant = create_tenant(f"same-{tier[:4]}", "Same", tier=tier)
            search_seeding.seed(tenant, (), _rows(options.patients))
            figures[tier] = _find(tenant)
    print(json.dumps(figures, indent=2))


def _rows(number: int) -> tuple[search_seeding.Rows, search_seeding.Rows]:
    return search_seeding.compose_rows_of(_people(number))


def _people(number: int) -> Iterator[dict[str, Any]]:
    for place, patient in enumerate(make_patients(number)):
        person = {**patient, "birth_date": UNKNOWN}
        yield person
        if place % (number // TYPING_ERRORS) == 0:
            family = person["family_name"]
            wrong = f"{family[:-2]}{family[-1]}{family[-2]}x"[: len(family)]
            again = {"id": uuid7(), "family_name": wrong}
            alone = {"mrn": uuid7().hex, "phone": f"+1 555 {place:07}", "email": uuid7().hex}
            yield {**person, **again, **alone, "source_id": f"again-{place}"}


def _find(tenant: Tenant) -> dict[str, Any]:
    began = time.perf_counter()
    with tenant_context(tenant.slug):
        for _ in find_all_duplicates(transaction):
            pass
        seconds = time.perf_counter() - began
        planted = (
            "SELECT count(*), count(*) FILTER (WHERE starts_with(one.source_id, 'again-')"
            " <> starts_with(other.source_id, 'again-')) FROM possible_duplicate AS pair"
            " JOIN patient AS one ON one.id = pair.patient_id"
            " JOIN patient AS other ON other.id = pair.other_patient_id"
        )
        with transaction():
            pairs, again = db.session.connection().execute(text(planted)).one()
    return {"seconds": seconds, "pairs": pairs, "pairs_with_a_second_record": again}


if __name__ == "__main__":
    main()
