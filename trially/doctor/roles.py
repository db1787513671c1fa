"""Checks of a server's roles and databases: against references, and against the catalog."""

from collections.abc import Iterator

from trially.doctor.comparison import as_problem
from trially.doctor.examined_server import ExaminedServer
from trially.doctor.findings import Check, Problem, error, warning
from trially.doctor.fleet import TenantDatabase
from trially.doctor.leftovers import running_references
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import UNBUILT
from trially.tenancy.servers.access import MAINTENANCE_DATABASES

MAX_NAMED_TENANTS = 3
OPAQUE_NAME = "^[ts]_[0-9a-f]{12}$"


def every_role_exists(server: ExaminedServer) -> Iterator[Problem]:
    """Check that every role of the catalog's placements exists."""
    existing = {role for (role,) in server.rows("SELECT rolname FROM pg_roles")}
    for database in server.tenant_databases:
        for role in sorted(_created_roles(database) - existing):
            remedy = f"Restore it from a backup. It is used by {_tenants_of(database)}."
            yield error(f"the role {role} is missing", remedy, database.only_slug)


def no_unused_role_remains(server: ExaminedServer) -> Iterator[Problem]:
    """Look for roles with a tenant's name that no tenant uses, and that have no privileges."""
    rows = server.rows(
        "SELECT rolname FROM pg_roles WHERE rolname ~ %s AND NOT rolname = ANY(%s) AND NOT EXISTS"
        " (SELECT FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = oid)"
        " AND NOT EXISTS (SELECT FROM pg_auth_members WHERE oid IN (roleid, member))"
        " ORDER BY rolname",
        OPAQUE_NAME,
        sorted(server.tenant_roles),
    )
    for (role,) in rows:
        yield warning(f"no tenant uses the role {role}", f"DROP ROLE {role};")


def roles_and_databases_are_as_created(server: ExaminedServer) -> Iterator[Problem]:
    """Compare roles, memberships, settings and databases of tenants with those of references."""
    reported: set[str] = set()
    for database in filter(lambda each: each.is_provisioned, server.tenant_databases):
        reference = server.references.of_tier(database.tier, server.fleet.head)
        for sentence in server.objects.compare_database(database, reference):
            # A grant of one tenant's role to another's is about both.
            if sentence.what not in reported:
                reported.add(sentence.what)
                yield as_problem(sentence, database.only_slug)


def the_installations_roles_are_as_created(server: ExaminedServer) -> Iterator[Problem]:
    """Compare the owner, the reader and the catalog's database with those of references."""
    names, references = server.own_names, server.own_references
    running = running_references(server.raw)
    for sentence in server.objects.compare_installation(names, references, running):
        yield as_problem(sentence)


def nothing_else_can_reach_tenants(server: ExaminedServer) -> Iterator[Problem]:
    """Look for roles, memberships, settings and grants that reach every database of the server."""
    for sentence in server.strangers.problems():
        yield as_problem(sentence)


def maintenance_databases_are_closed(server: ExaminedServer) -> Iterator[Problem]:
    """Check that neither PUBLIC nor a role of the installation may connect to them."""
    rows = server.rows(
        "SELECT datname, coalesce(rolname, 'PUBLIC'), privilege_type FROM pg_database"
        " CROSS JOIN aclexplode(coalesce(datacl, acldefault('d', datdba)))"
        " LEFT JOIN pg_roles ON pg_roles.oid = grantee"
        " WHERE grantee <> datdba AND datname = ANY(%s) ORDER BY 1, 2, 3",
        list(MAINTENANCE_DATABASES),
    )
    for database, grantee, privilege in rows:
        if grantee in {*server.tenant_roles, server.fleet.owner, server.fleet.reader, "PUBLIC"}:
            what = f"{grantee} has {privilege} on database {database}"
            yield error(what, f"REVOKE {privilege} ON DATABASE {database} FROM {grantee};")


def every_database_exists(server: ExaminedServer) -> Iterator[Problem]:
    """Check that every database of the catalog's placements exists."""
    existing = {name for (name,) in server.rows("SELECT datname FROM pg_database")}
    for database in server.tenant_databases:
        if database.name not in existing and any(map(_is_provisioned, database.tenants)):
            what = f"the database {database.name} is missing"
            remedy = f"Restore it from a backup. It holds {_tenants_of(database)}."
            yield error(what, remedy, database.only_slug)


def no_unused_database_remains(server: ExaminedServer) -> Iterator[Problem]:
    """Look for databases of this installation that the catalog does not list."""
    catalog = server.fleet.settings.catalog_database
    listed = {database.name for database in server.tenant_databases} | {catalog}
    listed |= {each.database for each in server.fleet.inactive if each.server.name == server.name}
    rows = server.rows(
        "SELECT datname FROM pg_database WHERE NOT datistemplate AND pg_get_userbyid(datdba) = %s"
        " AND NOT starts_with(datname, %s) AND NOT datname = ANY(%s) ORDER BY 1",
        server.fleet.owner,
        f"{catalog}_template_",
        running_references(server.raw),
    )
    for (name,) in rows:
        if name not in listed:
            what = f"no tenant is placed in the database {name}"
            yield warning(what, "Check its contents, then drop it.")


def _created_roles(database: TenantDatabase) -> frozenset[str]:
    """Return the roles of a database whose provisioning has finished."""
    return frozenset().union(
        *(
            database.tier.roles(tenant.placement)
            for tenant in database.tenants
            if _is_provisioned(tenant)
        )
    )


def _is_provisioned(tenant: Tenant) -> bool:
    return tenant.status not in UNBUILT


def _tenants_of(database: TenantDatabase) -> str:
    """Return the slugs of a database's tenants, or their number if there are many."""
    slugs = [tenant.slug for tenant in database.tenants]
    return ", ".join(slugs) if len(slugs) <= MAX_NAMED_TENANTS else f"{len(slugs)} tenants"


ROLE_CHECKS: tuple[Check[ExaminedServer], ...] = (
    every_role_exists,
    no_unused_role_remains,
    roles_and_databases_are_as_created,
    the_installations_roles_are_as_created,
    nothing_else_can_reach_tenants,
    maintenance_databases_are_closed,
    every_database_exists,
    no_unused_database_remains,
)
