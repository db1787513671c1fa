"""Read every table in transactions of the app itself: its roles, pooler, opening and guard."""

import psycopg2

from trially.audit.working import working
from trially.database.placement import StalePlacementError, TenantSuspendedError
from trially.proving.app_connections import run_and_roll_back
from trially.proving.sweeps.attackers import Attacker, wall_of
from trially.proving.sweeps.reading import look_sql, qualified
from trially.tenancy.catalog_choices import TenantStatus
from trially.tenancy.context import tenant_context
from trially.tenancy.directory import UnknownTenantError

PATH = "read over the app's own connections"


def read_over_the_app(attacker: Attacker) -> None:
    """Read the committed rows of all tenants as a request of the attacker could."""
    tables = [
        table
        for table in attacker.tables
        if table.allows("SELECT") and table.label not in attacker.sweep.suspects
    ]
    if not tables or attacker.party.tenant.status != TenantStatus.ACTIVE:
        return
    statement = look_sql(tables, attacker.names["me"], qualified)
    try:
        with tenant_context(attacker.tenant_id), working():
            seen = {label for label, sees in run_and_roll_back(statement) if sees}
    except (StalePlacementError, TenantSuspendedError, UnknownTenantError) as error:
        reason = f"it could not be entered ({type(error).__name__})"
        attacker.sweep.doubt(attacker.party.slug, None, PATH, reason)
        return
    except psycopg2.Error as error:
        if wall_of(error) is None:
            reason = f"SQLSTATE {error.pgcode}"
            attacker.sweep.doubt(attacker.party.slug, attacker.party, PATH, reason)
        return
    attacker.sweep.hold(PATH, attacker.wall, len(tables) - len(seen))
    others = [other.tenant.id for other in attacker.others] or [attacker.party.tenant.id]
    for label in sorted(seen):
        attacker.breach(others, PATH, f"rows of {label} are visible")
