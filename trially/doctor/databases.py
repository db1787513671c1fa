"""A database that holds tenants, read from PostgreSQL's system catalogs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from psycopg2.extensions import connection

from trially.doctor.fleet import Fleet, TenantDatabase
from trially.tenancy.servers.connections import execute

REVISION_TABLE = "alembic_version"
_IN_OWN_SCHEMAS = "nspname !~ '^pg_' AND nspname <> 'information_schema'"
_NOT_OF_AN_EXTENSION = (
    "NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass"
    " AND objid = pg_proc.oid AND deptype = 'e')"
)


class Relation(NamedTuple):
    """A table, view, materialised view or foreign table."""

    schema: str
    name: str
    kind: str
    """As in `pg_class.relkind`."""

    owner: str
    has_tenant_id: bool
    has_version: bool
    has_row_security: bool
    forces_row_security: bool
    is_child: bool
    options: Sequence[str]

    @property
    def full_name(self) -> str:
        """The name with its schema."""
        return f"{self.schema}.{self.name}"


class Policy(NamedTuple):
    """A policy of row-level security."""

    schema: str
    table: str
    name: str
    is_permissive: bool
    command: str
    is_to_public: bool
    condition: str | None
    check: str | None


class Grant(NamedTuple):
    """A privilege of a role that does not own the object."""

    schema: str
    name: str
    """The table, `table.column` or function; empty for the schema itself."""

    grantee: str
    privilege: str


class Function(NamedTuple):
    """A function that belongs to no extension."""

    name: str
    owner: str
    is_security_definer: bool
    settings: Sequence[str]


@dataclass(frozen=True)
class ExaminedDatabase:
    """A database as the catalog expects it, and a connection of its administrator to it."""

    expected: TenantDatabase
    raw: connection
    fleet: Fleet

    @cached_property
    def relations(self) -> list[Relation]:
        """Everything that stores or shows rows."""
        return [
            Relation(*row)
            for row in self.rows(
                "SELECT nspname, relname, relkind::text, pg_get_userbyid(relowner),"
                f" {_has_column('tenant_id')}, {_has_column('version')},"
                " relrowsecurity, relforcerowsecurity,"
                " EXISTS (SELECT FROM pg_inherits WHERE inhrelid = pg_class.oid),"
                " coalesce(reloptions, '{}')"
                " FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
                f" WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND {_IN_OWN_SCHEMAS} ORDER BY 1, 2"
            )
        ]

    @property
    def tenant_tables(self) -> Iterator[Relation]:
        """The tables of tenants, and those of the blank schema."""
        for relation in self.relations:
            if (
                relation.schema in self.expected.schemas
                and relation.kind in ("r", "p")
                and relation.name != REVISION_TABLE
            ):
                yield relation

    @cached_property
    def policies(self) -> Mapping[tuple[str, str], list[Policy]]:
        """The policies of each table, by its schema and name."""
        policies: dict[tuple[str, str], list[Policy]] = {}
        for row in self.rows(
            "SELECT nspname, relname, polname, polpermissive, polcmd::text, polroles = '{0}',"
            " pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)"
            " FROM pg_policy JOIN pg_class ON pg_class.oid = polrelid"
            " JOIN pg_namespace ON pg_namespace.oid = relnamespace"
        ):
            policy = Policy(*row)
            policies.setdefault((policy.schema, policy.table), []).append(policy)
        return policies

    @cached_property
    def table_grants(self) -> list[Grant]:
        """The grants on tables, views, sequences and columns."""
        return self._grants(
            "SELECT nspname, relname, grantee, privilege_type FROM pg_class"
            " JOIN pg_namespace ON pg_namespace.oid = relnamespace"
            f" CROSS JOIN aclexplode(relacl) WHERE {_IN_OWN_SCHEMAS} AND grantee <> relowner"
            " UNION ALL"
            " SELECT nspname, relname || '.' || attname, grantee, privilege_type FROM pg_attribute"
            " JOIN pg_class ON pg_class.oid = attrelid"
            " JOIN pg_namespace ON pg_namespace.oid = relnamespace"
            f" CROSS JOIN aclexplode(attacl) WHERE {_IN_OWN_SCHEMAS} AND grantee <> relowner"
        )

    @cached_property
    def schema_grants(self) -> list[Grant]:
        """The grants on schemas."""
        return self._grants(
            "SELECT nspname, '', grantee, privilege_type FROM pg_namespace"
            " CROSS JOIN aclexplode(coalesce(nspacl, acldefault('n', nspowner)))"
            f" WHERE {_IN_OWN_SCHEMAS} AND grantee <> nspowner"
        )

    @cached_property
    def function_grants(self) -> list[Grant]:
        """The grants on functions."""
        return self._grants(
            "SELECT nspname, proname, grantee, privilege_type FROM pg_proc"
            " JOIN pg_namespace ON pg_namespace.oid = pronamespace"
            " CROSS JOIN aclexplode(coalesce(proacl, acldefault('f', proowner)))"
            f" WHERE {_IN_OWN_SCHEMAS} AND grantee <> proowner AND {_NOT_OF_AN_EXTENSION}"
        )

    @cached_property
    def functions(self) -> list[Function]:
        """The functions of all schemas except PostgreSQL's own."""
        return [
            Function(*row)
            for row in self.rows(
                "SELECT nspname || '.' || proname, pg_get_userbyid(proowner), prosecdef,"
                " coalesce(proconfig, '{}') FROM pg_proc"
                " JOIN pg_namespace ON pg_namespace.oid = pronamespace"
                f" WHERE {_IN_OWN_SCHEMAS} AND {_NOT_OF_AN_EXTENSION} ORDER BY 1"
            )
        ]

    def rows(self, statement: str, *parameters: Any) -> list[Any]:
        """Run a query in the database, and return its rows."""
        return execute(self.raw, statement, *parameters)

    def _grants(self, statement: str) -> list[Grant]:
        return [
            Grant(*row)
            for row in self.rows(
                "SELECT nspname, relname, coalesce(rolname, 'PUBLIC'), privilege_type"
                f" FROM ({statement}) granted (nspname, relname, grantee, privilege_type)"
                " LEFT JOIN pg_roles ON pg_roles.oid = grantee"
                " WHERE NOT coalesce(rolsuper, false) ORDER BY 1, 2, 3, 4"
            )
        ]


def _has_column(name: str) -> str:
    return (
        "EXISTS (SELECT FROM pg_attribute WHERE attrelid = pg_class.oid"
        f" AND attname = '{name}' AND NOT attisdropped)"
    )
