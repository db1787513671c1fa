"""Who may be whom on a server, and who may connect to what."""

from collections.abc import Iterator, Mapping

from trially.doctor.findings import Check, Problem, error, warning
from trially.doctor.fleet import OWN_DATABASE, TenantDatabase
from trially.doctor.servers import ExaminedServer
from trially.tenancy.catalog import Tenant, TenantStatus, Tier
from trially.tenancy.servers.access import MAINTENANCE_DATABASES

POWERS = ("SUPERUSER", "BYPASSRLS", "CREATEDB", "CREATEROLE", "REPLICATION")
FEW = 3
OPAQUE = "^[ts]_[0-9a-f]{12}$"


def every_role_is_there(server: ExaminedServer) -> Iterator[Problem]:
    """Compare the catalog with the roles there are."""
    there = {role for (role,) in server.rows("SELECT rolname FROM pg_roles")}
    for place in server.places:
        for role in sorted(_made(place) - there):
            yield error(f"the role {role} is missing", f"Restore it; {_tenants_of(place)} need it.")


def no_role_is_left_over(server: ExaminedServer) -> Iterator[Problem]:
    """Look for roles of tenants that are nobody's and reach nothing."""
    rows = server.rows(
        "SELECT rolname FROM pg_roles WHERE rolname ~ %s AND NOT rolname = ANY(%s) AND NOT EXISTS"
        " (SELECT FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = oid)"
        " AND NOT EXISTS (SELECT FROM pg_auth_members WHERE oid IN (roleid, member))"
        " ORDER BY rolname",
        OPAQUE,
        sorted(_roles(server)),
    )
    for (role,) in rows:
        yield warning(f"the role {role} is no tenant's", f"DROP ROLE {role};")


def roles_have_no_powers(server: ExaminedServer) -> Iterator[Problem]:
    """See that no role of ours can go past grants and row security."""
    ours = {*_roles(server), server.fleet.owner, server.fleet.reader}
    columns = ", ".join(f"rol{power.lower()}" for power in POWERS).replace("superuser", "super")
    rows = server.rows(
        f"SELECT rolname, rolcanlogin, rolinherit, rolconnlimit, {columns} FROM pg_roles"
        " WHERE rolname = ANY(%s) ORDER BY rolname",
        sorted(ours),
    )
    logins = {place.login_role for place in server.places}
    for role, can_log_in, inherits, most, *powers in rows:
        for power in [power for power, has_it in zip(POWERS, powers, strict=True) if has_it]:
            yield error(f"{role} has {power}", f"ALTER ROLE {role} NO{power};")
        if role in _roles(server) and inherits:
            yield error(f"{role} has INHERIT", f"ALTER ROLE {role} NOINHERIT;")
        if can_log_in and role not in logins and role != server.fleet.reader:
            yield error(f"{role} may log in", f"ALTER ROLE {role} NOLOGIN;")
        if role in logins and most < 0:
            what = f"{role} may open any number of connections"
            yield warning(what, f"ALTER ROLE {role} CONNECTION LIMIT …;")


def roles_are_members_of_none_but_their_own(server: ExaminedServer) -> Iterator[Problem]:
    """See that nobody may become a tenant's role but the login role of its database."""
    expected = {
        (role, place.login_role)
        for place in server.places
        if place.tier is Tier.OWN_SCHEMA
        for role in place.roles
    }
    ours = {*_roles(server), server.fleet.owner, server.fleet.reader}
    rows = server.rows(
        "SELECT role.rolname, member.rolname, member.rolsuper OR member.rolname = current_user"
        " FROM pg_auth_members JOIN pg_roles role ON role.oid = roleid"
        " JOIN pg_roles member ON member.oid = member ORDER BY 1, 2"
    )
    for role, member, is_administrator in rows:
        of_current_tenant = member in ours or (role in ours and not is_administrator)
        if of_current_tenant and (role, member) not in expected:
            yield error(f"{member} is a member of {role}", f"REVOKE {role} FROM {member};")


def databases_let_in_their_own_role_only(server: ExaminedServer) -> Iterator[Problem]:
    """Read the privileges on databases: everyone may connect to a new one until told otherwise."""
    allowed = _allowed_in(server)
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
    ours = {*_roles(server), server.fleet.owner, server.fleet.reader}
    for database, grantee, privilege in rows:
        if database in MAINTENANCE_DATABASES and grantee not in {*ours, "PUBLIC"}:
            continue
        if (grantee, privilege) != (allowed.get(database), "CONNECT"):
            what = f"{grantee} has {privilege} on database {database}"
            yield error(what, f"REVOKE {privilege} ON DATABASE {database} FROM {grantee};")


def every_database_is_there(server: ExaminedServer) -> Iterator[Problem]:
    """Compare the catalog with the databases there are."""
    there = {name for (name,) in server.rows("SELECT datname FROM pg_database")}
    for place in server.places:
        if place.name not in there and any(map(_is_whole, place.tenants)):
            what = f"the database {place.name} is missing"
            yield error(what, f"Restore it: {_tenants_of(place)} live there.")


def no_database_is_left_over(server: ExaminedServer) -> Iterator[Problem]:
    """Look for databases of ours that the catalog does not know."""
    known = {place.name for place in server.places} | {server.fleet.settings.catalog_database}
    rows = server.rows(
        "SELECT datname FROM pg_database WHERE NOT datistemplate AND pg_get_userbyid(datdba) = %s"
        " AND NOT starts_with(datname, %s) ORDER BY 1",
        server.fleet.owner,
        f"{server.fleet.settings.catalog_database}_template_",
    )
    for (name,) in rows:
        if name not in known:
            what = f"the database {name} is no tenant's"
            yield warning(what, "See what is in it; then drop it.")


def _allowed_in(server: ExaminedServer) -> Mapping[str, str]:
    """Return the one role that may connect to each database of ours."""
    return {
        **{place.name: place.login_role for place in server.places},
        server.fleet.settings.catalog_database: server.fleet.reader,
    }


def _roles(server: ExaminedServer) -> frozenset[str]:
    return frozenset().union(*(place.roles for place in server.places))


def _made(place: TenantDatabase) -> frozenset[str]:
    """Return the roles of a place that have been made by now."""
    whole = frozenset(t.placement.role for t in place.tenants if _is_whole(t))
    return whole if place.tier in OWN_DATABASE or not whole else whole | {place.login_role}


def _is_whole(tenant: Tenant) -> bool:
    return tenant.status != TenantStatus.PROVISIONING


def _tenants_of(place: TenantDatabase) -> str:
    """Name those who live in a place, if they are few."""
    slugs = [tenant.slug for tenant in place.tenants]
    return ", ".join(slugs) if len(slugs) <= FEW else f"{len(slugs)} tenants"


ROLE_CHECKS: tuple[Check[ExaminedServer], ...] = (
    every_role_is_there,
    no_role_is_left_over,
    roles_have_no_powers,
    roles_are_members_of_none_but_their_own,
    databases_let_in_their_own_role_only,
    every_database_is_there,
    no_database_is_left_over,
)
