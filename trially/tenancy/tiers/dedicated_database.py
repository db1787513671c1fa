"""The tier of dedicated databases: only the tenant's own role may connect to its database."""

from uuid import UUID

from psycopg2 import sql
from psycopg2.extensions import connection
from sqlalchemy.orm import Session

from trially.config import current_settings
from trially.database.engines import engine_registry
from trially.database.placement import Placement
from trially.tenancy.catalog import PlacementRecord, Server
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.names import opaque_name
from trially.tenancy.schema.databases import drop_database
from trially.tenancy.schema.guard import record_placement, register_tenant_sql
from trially.tenancy.schema.revisions import read_revision
from trially.tenancy.schema.templates import TENANT_SCHEMA, clone_template
from trially.tenancy.servers.access import access_to, server_access
from trially.tenancy.servers.connections import execute
from trially.tenancy.tiers.limits import Limit
from trially.tenancy.tiers.owning import run_as_owner
from trially.tenancy.tiers.roles import create_login_role
from trially.tenancy.tiers.tenant_tables import TENANT_CHECK, single_tenant_sql


class DedicatedDatabase:
    """The default tier. Its walls are the tenant's login role and CONNECT."""

    tier = Tier.DEDICATED_DATABASE
    is_offered_by_plans = True
    can_move = True
    shares_database = False
    shares_tables = False
    switches_roles = False
    has_row_security = False
    has_tenant_check = True
    blank_schema: str | None = None
    limits: frozenset[Limit] = frozenset()
    walls = (
        f"each table has its CHECK {TENANT_CHECK}, and the tenant's role has no privileges except"
        " to read and write rows"
    )

    def allocate(self, _session: Session, _server: Server, _tenant_id: UUID) -> PlacementRecord:
        """Return an unsaved placement with new opaque names."""
        name = opaque_name()
        return PlacementRecord(tier=self.tier, database=name, schema=TENANT_SCHEMA, role=name)

    def find_database(self, _session: Session, _server: Server, _tenant_id: UUID) -> str | None:
        """Return None: each tenant gets a database of its own."""
        return None

    def is_ready(self, _record: PlacementRecord) -> bool:
        """Return False: each tenant has a role and a database of its own."""
        return False

    def create_role(self, record: PlacementRecord, _template: str | None = None) -> None:
        """Create the tenant's login role, or reset its password."""
        create_login_role(
            server_access(record.server.name),
            record.role,
            schema=record.schema,
            connections=current_settings().connections_per_tenant,
        )

    def create_storage(self, record: PlacementRecord, template: str | None = None) -> None:
        """Clone the template, and grant CONNECT to the tenant's role only."""
        clone_template(server_access(record.server.name), record.database, record.role, template)

    def grant_access(self, record: PlacementRecord) -> str | None:
        """Grant the role its tables, add the CHECKs, and register the tenant with the guard.

        Returns the revision of the tables.
        """
        with server_access(record.server.name).administer(record.database) as raw:
            run_as_owner(
                raw,
                record,
                self.post_migration_sql(record),
                register_tenant_sql(record.tenant_id, record.epoch),
            )
            return read_revision(raw, record.schema)

    def post_migration_sql(self, record: PlacementRecord) -> sql.Composable:
        """Return SQL for the role's grants and the CHECKs."""
        return single_tenant_sql(record)

    def compose_blank_schema(self, _owned: connection, _login_role: str) -> None:
        """Do nothing: the template database is cloned instead."""

    def remove(self, record: PlacementRecord) -> None:
        """Drop the database and the role."""
        engine_registry().forget(self._bind_key(record))
        with server_access(record.server.name).administer() as raw:
            drop_database(raw, record.database)
            execute(raw, sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(record.role)))

    def record_state(self, record: PlacementRecord, *, is_suspended: bool) -> None:
        """Write the epoch and state into the database's own copy of the placement."""
        with server_access(record.server.name).administer(record.database) as raw:
            record_placement(raw, record.tenant_id, record.epoch, is_suspended=is_suspended)

    def roles(self, record: PlacementRecord) -> frozenset[str]:
        """Return the tenant's login role."""
        return frozenset({record.role})

    def placement(self, record: PlacementRecord) -> Placement:
        """Return the placement as request handling needs it."""
        access = access_to(record.server)
        return Placement(
            tenant_id=record.tenant_id,
            bind_key=self._bind_key(record),
            schema=record.schema,
            epoch=record.epoch,
            url=access.role_url(record.role, record.database),
            other_password=access.other_password(record.role),
            replicas=access.replica_role_urls(record.role, record.database),
            revision=record.revision,
        )

    def _bind_key(self, record: PlacementRecord) -> str:
        return f"{record.server.name}/{record.database}"
