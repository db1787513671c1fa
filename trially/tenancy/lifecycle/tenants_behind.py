"""Migrate the tenants whose tables are behind, each on its own: a failure stops no other tenant.

`flask demo serve` uses it after a pull. `flask db upgrade` migrates a fleet in production.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from alembic.util import CommandError

from trially.errors import OperatorError
from trially.tenancy.lifecycle.places import Place, migrate_place, read_places
from trially.tenancy.schema.databases import as_owner
from trially.tenancy.schema.failures import describe_failure
from trially.tenancy.schema.lineages import TENANT_LINEAGE, run_upgrade
from trially.tenancy.schema.revision_files import newest_revision
from trially.tenancy.schema.revisions import read_revision, record_revision
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import driver_connection

SHOWN_SLUGS = 3

Report = Callable[[str], None]


class UnknownRevisionError(OperatorError):
    """Alembic cannot migrate the tables, for example because a newer version has."""


class NoRevisionError(OperatorError):
    """The tables, or the record of their revision, are missing."""


def upgrade_tenants_behind(report: Report) -> dict[str, str]:
    """Migrate blank schemas and tenants that are not at this version's revision.

    `report` gets a sentence for each placement that is migrated. Returns the reason of each
    failure by the tenant's slug, or by the name of a blank schema's database.
    """
    failures: dict[str, str] = {}
    head = newest_revision(TENANT_LINEAGE)
    for place in read_places():
        with recording_failure(failures, *(place.slugs or [place.database])):
            former = _upgrade(place, head)
            if former is not None and place.records:
                names = ", ".join(place.slugs[:SHOWN_SLUGS])
                more = " …" * (len(place.slugs) > SHOWN_SLUGS)
                report(f"Migrated {names}{more} from {former} to {head}.")
    return failures


@contextmanager
def recording_failure(failures: dict[str, str], *names: str) -> Iterator[None]:
    """Record an error as a sentence under some names, in place of raising it."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  the tenants after this one must be migrated
        failures.update(dict.fromkeys(names, describe_failure(error)))


def _upgrade(place: Place, head: str) -> str | None:
    """Migrate a place, and return the revision that it had, or None if it is at `head`."""
    with as_owner(server_access(place.server), place.database) as owned:
        former = read_revision(driver_connection(owned), place.schema)
        owned.rollback()
        if former is None:
            raise NoRevisionError(
                f"The schema {place.schema} does not say at which revision its tables are."
                " Restore it."
            )
        if former == head:
            record_revision(place.records, head)
            return None

        def run_migrations(before_changes: Callable[[], None]) -> bool:
            before_changes()
            run_upgrade(TENANT_LINEAGE, owned, place.schema)
            return True

        try:
            migrate_place(place, owned, run_migrations)
        except CommandError as error:
            raise UnknownRevisionError(f"Its tables are at {former}: {error}.") from None
    return former
