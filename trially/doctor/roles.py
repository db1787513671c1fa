"""Checks of a server's roles and databases: attributes, memberships, and CONNECT."""

from collections.abc import Iterator, Mapping

from trially.doctor.findings import Check, Problem, error, warning
from trially.doctor.fleet import TenantDatabase
from trially.doctor.servers import ExaminedServer
from trially.tenancy.catalog import Tenant, TenantStatus
from trially.tenancy.servers.access import MAINTENANCE_DATABASES

ATTRIBUTES = ("SUPERUSER", "BYPASSRLS", "CREATEDB", "CREATEROLE", "REPLICATION")
"""Attributes with which a role could bypass grants or row-level security."""

MAX_NAMED_TENANTS = 3
OPAQUE_NAME = "^[ts]_[0-9a-f]{12}$"


def every_role_exists(server: ExaminedServer) -> Iterator[Problem]:
    """Check that every role of the catalog's placements exists."""
    existing = {role for (role,) in server.rows("SELECT rolname FROM pg_roles")}
    for database in server.tenant_databases:
        for role in sorted(_created_roles(database) - existing):
            remedy = f"Restore it from a backup. It is used by {_tenants_of(database)}."
            yield error(f"the role {role} is missing", remedy)


def no_unused_role_remains(server: ExaminedServer) -> Iterator[Problem]:
    """Look for roles with a tenant's name that no tenant uses, and that have no privileges."""
    rows = server.rows(
        "SELECT rolname FROM pg_roles WHERE rolname ~ %s AND NOT rolname = ANY(%s) AND NOT EXISTS"
        " (SELECT FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = oid)"
        " AND NOT EXISTS (SELECT FROM pg_auth_members WHERE oid IN (roleid, member))"
        " ORDER BY rolname",
        OPAQUE_NAME,
        sorted(_tenant_roles(server)),
    )
    for (role,) in rows:
        yield warning(f"no tenant uses the role {role}", f"DROP ROLE {role};")


def roles_have_no_special_attributes(server: ExaminedServer) -> Iterator[Problem]:
    """Check that no role of this installation can bypass grants and row-level security."""
    columns = ", ".join(f"rol{name.lower()}" for name in ATTRIBUTES).replace("superuser", "super")
    rows = server.rows(
        f"SELECT rolname, rolcanlogin, rolinherit, rolconnlimit, {columns} FROM pg_roles"
        " WHERE rolname = ANY(%s) ORDER BY rolname",
        sorted(_own_roles(server)),
    )
    logins = {database.login_role for database in server.tenant_databases}
    for role, can_log_in, inherits, connection_limit, *flags in rows:
        for name in [name for name, is_set in zip(ATTRIBUTES, flags, strict=True) if is_set]:
            yield error(f"{role} has {name}", f"ALTER ROLE {role} NO{name};")
        if role in _tenant_roles(server) and inherits:
            yield error(f"{role} has INHERIT", f"ALTER ROLE {role} NOINHERIT;")
        if can_log_in and role not in logins and role != server.fleet.reader:
            yield error(f"{role} has LOGIN", f"ALTER ROLE {role} NOLOGIN;")
        if role in logins and connection_limit < 0:
            what = f"{role} has no connection limit"
            yield warning(what, f"ALTER ROLE {role} CONNECTION LIMIT …;")


def roles_have_only_expected_members(server: ExaminedServer) -> Iterator[Problem]:
    """Check that only the login role of its database can switch to a tenant's role."""
    expected = {
        (role, database.login_role)
        for database in server.tenant_databases
        if database.tier.switches_roles
        for role in database.roles
    }
    own_roles = _own_roles(server)
    rows = server.rows(
        "SELECT role.rolname, member.rolname, member.rolsuper OR member.rolname = current_user"
        " FROM pg_auth_members JOIN pg_roles role ON role.oid = roleid"
        " JOIN pg_roles member ON member.oid = member ORDER BY 1, 2"
    )
    for role, member, is_administrator in rows:
        is_ours = member in own_roles or (role in own_roles and not is_administrator)
        if is_ours and (role, member) not in expected:
            yield error(f"{member} is a member of {role}", f"REVOKE {role} FROM {member};")


def databases_accept_their_own_role_only(server: ExaminedServer) -> Iterator[Problem]:
    """Check who may connect to each database. PostgreSQL grants CONNECT to PUBLIC by default."""
    allowed = _connecting_role_by_database(server)
    rows = server.rows(
        "SELECT datname, coalesce(grantee_role.rolname, 'PUBLIC'), privilege_type"
        " FROM pg_database JOIN pg_roles owner_role ON owner_role.oid = datdba"
        " CROSS JOIN aclexplode(coalesce(datacl, acldefault('d', datdba)))"
        " LEFT JOIN pg_roles grantee_role ON grantee_role.oid = grantee"
        " WHERE grantee <> datdba AND NOT coalesce(grantee_role.rolsuper, false)"
        " AND (owner_role.rolname = %s OR datname = ANY(%s)) ORDER BY 1, 2, 3",
        server.fleet.owner,
        list(MAINTENANCE_DATABASES),
    )
    own_roles = _own_roles(server)
    for database, grantee, privilege in rows:
        if database in MAINTENANCE_DATABASES and grantee not in {*own_roles, "PUBLIC"}:
            continue
        if (grantee, privilege) != (allowed.get(database), "CONNECT"):
            what = f"{grantee} has {privilege} on database {database}"
            yield error(what, f"REVOKE {privilege} ON DATABASE {database} FROM {grantee};")


def every_database_exists(server: ExaminedServer) -> Iterator[Problem]:
    """Check that every database of the catalog's placements exists."""
    existing = {name for (name,) in server.rows("SELECT datname FROM pg_database")}
    for database in server.tenant_databases:
        if database.name not in existing and any(map(_is_provisioned, database.tenants)):
            what = f"the database {database.name} is missing"
            yield error(what, f"Restore it from a backup. It holds {_tenants_of(database)}.")


def no_unused_database_remains(server: ExaminedServer) -> Iterator[Problem]:
    """Look for databases of this installation that the catalog does not list."""
    catalog = server.fleet.settings.catalog_database
    listed = {database.name for database in server.tenant_databases} | {catalog}
    rows = server.rows(
        "SELECT datname FROM pg_database WHERE NOT datistemplate AND pg_get_userbyid(datdba) = %s"
        " AND NOT starts_with(datname, %s) ORDER BY 1",
        server.fleet.owner,
        f"{catalog}_template_",
    )
    for (name,) in rows:
        if name not in listed:
            what = f"no tenant is placed in the database {name}"
            yield warning(what, "Check its contents, then drop it.")


def _connecting_role_by_database(server: ExaminedServer) -> Mapping[str, str]:
    """Return the one role that may connect to each database of this installation."""
    return {
        **{database.name: database.login_role for database in server.tenant_databases},
        server.fleet.settings.catalog_database: server.fleet.reader,
    }


def _tenant_roles(server: ExaminedServer) -> frozenset[str]:
    return frozenset().union(*(database.roles for database in server.tenant_databases))


def _own_roles(server: ExaminedServer) -> frozenset[str]:
    """Return all roles of this installation."""
    return _tenant_roles(server) | {server.fleet.owner, server.fleet.reader}


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
    return tenant.status != TenantStatus.PROVISIONING


def _tenants_of(database: TenantDatabase) -> str:
    """Return the slugs of a database's tenants, or their number if there are many."""
    slugs = [tenant.slug for tenant in database.tenants]
    return ", ".join(slugs) if len(slugs) <= MAX_NAMED_TENANTS else f"{len(slugs)} tenants"


ROLE_CHECKS: tuple[Check[ExaminedServer], ...] = (
    every_role_exists,
    no_unused_role_remains,
    roles_have_no_special_attributes,
    roles_have_only_expected_members,
    databases_accept_their_own_role_only,
    every_database_exists,
    no_unused_database_remains,
)
