"""Checks that the catalog's database is equal to one that this version has just installed."""

from collections.abc import Iterator
from dataclasses import dataclass

from psycopg2.extensions import connection

from trially.doctor.comparing.compare import compare_builtin, compare_objects
from trially.doctor.comparing.names import Names
from trially.doctor.comparing.snapshots import Snapshot
from trially.doctor.comparison import as_problem
from trially.doctor.findings import Check, Problem
from trially.doctor.references import ServerReferences


@dataclass(frozen=True)
class ExaminedCatalog:
    """The catalog's database, and a connection of its administrator to it."""

    raw: connection
    references: ServerReferences


def the_catalog_is_as_installed(catalog: ExaminedCatalog) -> Iterator[Problem]:
    """Compare each object, owner and grant of the catalog with those of a new catalog."""
    reference = catalog.references.of_catalog()
    snapshot = Snapshot(catalog.raw, catalog.references.reader, Names(login=""))
    for sentence in compare_builtin(snapshot, reference):
        yield as_problem(sentence)
    for _, sentence in compare_objects(snapshot, reference, snapshot.digests()):
        yield as_problem(sentence)


CATALOG_CHECKS: tuple[Check[ExaminedCatalog], ...] = (the_catalog_is_as_installed,)
