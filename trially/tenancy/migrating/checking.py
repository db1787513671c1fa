"""Check the places that are recorded at the target: few connections, no lock, no DDL.

Each place is asked on its own. One statement over many schemas would hold locks on all of them.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby

import psycopg2
from flask import Flask, current_app
from sqlalchemy import update

from trially.errors import OperatorError
from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.migrating.migration_failures import answers
from trially.tenancy.migrating.owning import Found, look
from trially.tenancy.migrating.places import Place
from trially.tenancy.servers.access import server_access

PLACES_OF_A_CONNECTION = 25
"""The most places of one database that are asked over one connection, so that several are asked
at a time.
"""


@dataclass(frozen=True)
class Checked:
    """What a check found. It found nothing if the database could not be asked."""

    place: Place
    found: Found | None


def check_places(places: Sequence[Place], target: str, workers: int) -> list[Place]:
    """Return those places that are not at the target, or could not be asked."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    in_order = sorted(places, key=lambda place: place.key)
    by_database = [
        chunk
        for _, of in groupby(in_order, key=lambda place: place.key[:2])
        for chunk in _chunks(list(of))
    ]

    lost: set[str] = set()

    def check(of_database: Sequence[Place]) -> list[Checked]:
        with app.app_context():
            return _check_database(of_database, lost)

    with ThreadPoolExecutor(workers, thread_name_prefix="check") as pool:
        checked = [each for found in pool.map(check, by_database) for each in found]
    _record(checked, target)
    return [each.place for each in checked if each.found is None or not each.found.is_at(target)]


def _chunks(places: Sequence[Place]) -> Iterator[Sequence[Place]]:
    for start in range(0, len(places), PLACES_OF_A_CONNECTION):
        yield places[start : start + PLACES_OF_A_CONNECTION]


def _check_database(places: Sequence[Place], lost: set[str]) -> list[Checked]:
    """Ask places of one database. A server that does not answer is added to `lost`, and left out.

    So a server that is down costs the time of a few attempts.
    """
    checked: list[Checked] = []
    server = places[0].server
    try:
        if server not in lost:
            with server_access(server).administer(places[0].database) as raw:
                checked.extend(Checked(place, look(raw, place.schema)) for place in places)
    except (psycopg2.Error, OperatorError):
        if not answers(server):
            lost.add(server)
    return [*checked, *(Checked(place, None) for place in places[len(checked) :])]


def _record(checked: Iterable[Checked], target: str) -> None:
    """Correct the records of places at the target that the catalog did not know to be there."""
    corrected = {
        each.place: each.found.revision
        for each in checked
        if each.found is not None
        and each.found.is_at(target)
        and each.place.records
        and (each.place.revision != each.found.revision or each.place.is_quarantined)
    }
    if not corrected:
        return
    with catalog_transaction() as session:
        for place, revision in corrected.items():
            session.execute(
                update(PlacementRecord)
                .where(PlacementRecord.id.in_([record.id for record in place.records]))
                .values(revision=revision, quarantine=None)
            )
