"""Load rows of an older revision into empty tables of that revision, and migrate them with rows."""

from collections.abc import Iterator
from contextlib import contextmanager

from trially.tenancy.archives.errors import ArchiveError
from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.migrating.owning import MigrationEngine
from trially.tenancy.migrating.places import Place
from trially.tenancy.schema.revision_files import TENANT_LINEAGE, newest_revision
from trially.tenancy.servers.access import server_access
from trially.tenancy.tiers import tier_of


def is_older(revision: str) -> bool:
    """Return whether a revision is older than this version's."""
    return revision != newest_revision(TENANT_LINEAGE)


@contextmanager
def at_revision(record: PlacementRecord, revision: str) -> Iterator[None]:
    """Let the tables of a new placement be at an older revision for the block, and migrate them.

    Tables that tenants share cannot be at another revision for one of them.
    """
    if not is_older(revision):
        yield
        return
    if tier_of(record).shares_tables:
        raise ArchiveError(
            f"Rows of the older revision {revision} cannot be loaded into tables that tenants"
            " share."
        )
    # Imported here: only rows of an older revision need Alembic.
    from trially.tenancy.migrating.visiting import take_back, visit
    from trially.tenancy.schema.lineages import LOCK_TIMEOUT_SECONDS, alembic_config
    from trially.tenancy.schema.stepping import load_steps

    lock_timeout_ms = LOCK_TIMEOUT_SECONDS * 1000
    steps = load_steps(alembic_config(TENANT_LINEAGE))
    engine = MigrationEngine(server_access(record.server.name))
    place = Place(record.server.name, record.database, record.schema, Tier(record.tier), (record,))
    with engine.as_owner(place, lock_timeout_ms) as owned:
        take_back(place, owned, steps, revision)
    yield
    with engine.as_owner(place, lock_timeout_ms) as owned:
        visit(place, owned, steps, newest_revision(TENANT_LINEAGE))
