"""A server, as the doctor examines it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from psycopg2.extensions import connection

from trially.doctor.comparing.server_rows import (
    ServerRow,
    read_roles_of_everything,
    read_server_rows,
)
from trially.doctor.fleet import Fleet, TenantDatabase
from trially.doctor.leftovers import running_references
from trially.doctor.references import ServerReferences
from trially.doctor.server_objects import ServerObjects
from trially.doctor.strangers import Strangers
from trially.tenancy.servers.access import FIRST_SERVER
from trially.tenancy.servers.connections import execute
from trially.tenancy.tiers import tier_of


@dataclass(frozen=True)
class ExaminedServer:
    """A server, and a connection of its administrator to it."""

    name: str
    raw: connection
    fleet: Fleet
    references: ServerReferences

    @property
    def tenant_databases(self) -> list[TenantDatabase]:
        """The databases that hold tenants on this server, as the catalog lists them."""
        return list(self.fleet.databases_by_server[self.name])

    @cached_property
    def tenant_roles(self) -> frozenset[str]:
        """The roles of all tenants and shared databases on this server."""
        inactive = [each for each in self.fleet.inactive if each.server.name == self.name]
        return frozenset().union(
            *(database.roles for database in self.tenant_databases),
            *(tier_of(record).roles(record) for record in inactive),
        )

    @cached_property
    def settings(self) -> Mapping[str, str]:
        """The value of each setting."""
        return dict(execute(self.raw, "SELECT name, setting FROM pg_settings"))

    @cached_property
    def overrides(self) -> Mapping[str, Mapping[str, str]]:
        """The settings of ALTER ROLE and ALTER DATABASE, by a description of their scope."""
        rows = execute(
            self.raw,
            "SELECT concat_ws(' in ', 'role ' || rolname, 'database ' || datname),"
            " unnest(setconfig) FROM pg_db_role_setting"
            " LEFT JOIN pg_roles ON pg_roles.oid = setrole"
            " LEFT JOIN pg_database ON pg_database.oid = setdatabase",
        )
        scopes: dict[str, dict[str, str]] = {}
        for scope, setting in rows:
            name, _, value = setting.partition("=")
            scopes.setdefault(scope, {})[name] = value
        return scopes

    @property
    def version(self) -> tuple[int, int]:
        """The major and minor version."""
        return divmod(int(self.settings["server_version_num"]), 10_000)

    @property
    def own_names(self) -> Sequence[str]:
        """The owner, the reader, and the catalog's database if it is on this server."""
        fleet = self.fleet
        catalog = [fleet.settings.catalog_database] if self.name == FIRST_SERVER else []
        return [fleet.owner, fleet.reader, *catalog]

    @cached_property
    def own_references(self) -> Sequence[str]:
        """The references of `own_names`."""
        has_catalog = self.name == FIRST_SERVER
        catalog = [self.references.of_catalog().database] if has_catalog else []
        return [*self.references.of_roles(), *catalog]

    @cached_property
    def objects(self) -> ServerObjects:
        """The rows of the server's shared catalogs, with those of all references."""
        for tier in {
            database.tier.tier: database.tier for database in self.tenant_databases
        }.values():
            self.references.of_tier(tier, self.fleet.head)
        _ = self.own_references
        rows = read_server_rows(self.raw, self.references.reader.texts)
        return ServerObjects(rows, read_roles_of_everything(self.raw))

    @cached_property
    def strangers(self) -> Strangers:
        """The rows that are about no role or database of the installation or of a reference."""
        databases = {database.name for database in self.tenant_databases}
        own = {*self.own_names, *databases, *self.tenant_roles}
        not_strange = {*own, *running_references(self.raw)}
        [(administrator, bootstrap)] = execute(
            self.raw, "SELECT current_user, (SELECT rolname FROM pg_roles WHERE oid = 10)"
        )
        rows = [row for row in self.objects.rows if self._is_strange(row, not_strange)]
        return Strangers(rows, self.objects.almighty, administrator, bootstrap, own)

    def rows(self, statement: str, *parameters: Any) -> list[Any]:
        """Run a query on the server, and return its rows."""
        return execute(self.raw, statement, *parameters)

    def _is_strange(self, row: ServerRow, names: Collection[str]) -> bool:
        return not row.subjects & set(names)
