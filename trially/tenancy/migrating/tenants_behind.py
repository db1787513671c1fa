"""Migrate the tenants whose tables are behind, and collect the failures by tenant.

`flask demo serve` uses it after a pull. `flask db upgrade` migrates a fleet in production.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from trially.tenancy.migrating.attempts import Attempted
from trially.tenancy.migrating.planning import RunOptions
from trially.tenancy.migrating.running import migrate_tenants
from trially.tenancy.schema.failures import describe_failure
from trially.tenancy.schema.revision_files import TENANT_LINEAGE, newest_revision

Report = Callable[[str], None]


def upgrade_tenants_behind(report: Report) -> dict[str, str]:
    """Migrate blank schemas and tenants that are not at this version's revision.

    `report` gets a sentence for each placement that is migrated. Returns the reason of each
    failure by the tenant's slug, or by the name of a blank schema's database.
    """
    failures: dict[str, str] = {}
    head = newest_revision(TENANT_LINEAGE)
    progress = migrate_tenants(RunOptions(stop_at="100%"))
    for each in progress.migrated:
        if each.place.records and each.former != each.revision:
            report(f"Migrated {each.place.name} from {each.former} to {head}.")
    for each in (*progress.failed, *progress.skipped):
        failures.update(dict.fromkeys(_names(each), each.failure.reason if each.failure else ""))
    return failures


@contextmanager
def recording_failure(failures: dict[str, str], *names: str) -> Iterator[None]:
    """Record an error as a sentence under some names, in place of raising it."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  the tenants after this one must be migrated
        failures.update(dict.fromkeys(names, describe_failure(error)))


def _names(attempted: Attempted) -> list[str]:
    return attempted.place.slugs or [attempted.place.database]
