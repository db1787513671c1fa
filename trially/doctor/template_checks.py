"""Checks of what new tenants are made from: the template, the migrations, and initdb's objects."""

from collections.abc import Iterator

from trially.doctor.comparing.compare import compare_builtin, compare_objects
from trially.doctor.comparison import as_problem
from trially.doctor.databases import REVISION_TABLE
from trially.doctor.examined_server import ExaminedServer
from trially.doctor.findings import Check, Problem, error
from trially.tenancy.schema.databases import database_exists
from trially.tenancy.schema.templates import TENANT_SCHEMA, template_name
from trially.tenancy.servers.connections import execute

_UNIQUE_INDEXES = """
SELECT index_class.relname FROM pg_index
JOIN pg_class ON pg_class.oid = indrelid
JOIN pg_class index_class ON index_class.oid = indexrelid
JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
WHERE indisunique AND nspname = %s AND pg_class.relname <> %s
AND indkey[0] IS DISTINCT FROM (SELECT attnum FROM pg_attribute
    WHERE attrelid = indrelid AND attname = 'tenant_id')
ORDER BY 1
"""

_VIEWS = """
SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = %s AND (relkind IN ('m', 'f') OR relkind = 'v'
    AND NOT coalesce(reloptions && '{security_invoker=true,security_invoker=on}', false))
ORDER BY 1
"""

_DEFINERS = """
SELECT pg_proc.oid::regprocedure::text FROM pg_proc
JOIN pg_namespace ON pg_namespace.oid = pronamespace
WHERE nspname IN (%s, 'trially') AND prosecdef
AND NOT coalesce(array_to_string(proconfig, ' ') ~ '(^| )search_path=', false)
ORDER BY 1
"""

_GRANTS_OF_INITDB = """
SELECT pg_describe_object(classid, oid, 0), acl::text FROM (
    SELECT 'pg_class'::regclass::oid, oid, relacl, relnamespace FROM pg_class
    UNION ALL SELECT 'pg_proc'::regclass, oid, proacl, pronamespace FROM pg_proc
    UNION ALL SELECT 'pg_type'::regclass, oid, typacl, typnamespace FROM pg_type
    UNION ALL SELECT 'pg_language'::regclass, oid, lanacl, 0 FROM pg_language
    UNION ALL SELECT 'pg_namespace'::regclass, oid, nspacl, oid FROM pg_namespace
) AS objects (classid, oid, acl, namespace)
LEFT JOIN pg_init_privs ON classoid = classid AND objoid = oid AND objsubid = 0
WHERE oid < 16384 AND namespace <> 'information_schema'::regnamespace
AND acl IS DISTINCT FROM initprivs ORDER BY 1
"""
"""initdb creates information_schema after it has recorded the grants."""


def the_template_is_as_the_migrations_say(server: ExaminedServer) -> Iterator[Problem]:
    """Compare the database that new tenants' databases are copies of, if it was built already."""
    name = template_name()
    if not database_exists(server.raw, name):
        return
    [(takes_connections,)] = server.rows(
        "SELECT datallowconn FROM pg_database WHERE datname = %s", name
    )
    if takes_connections:
        what = f"the template {name} takes connections, so that it can be changed"
        yield error(what, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false;")
    reference = server.references.of_template(server.fleet.head)
    with server.references.copied(name) as snapshot:
        scoped = compare_objects(snapshot, reference, snapshot.digests())
        sentences = [sentence for _, sentence in scoped]
        sentences += compare_builtin(snapshot, reference)
    for sentence in sentences:
        problem = as_problem(sentence)
        remedy = (
            f"ALTER DATABASE {name} IS_TEMPLATE false; DROP DATABASE {name};"
            " -- the next tenant builds it again"
        )
        yield error(f"the template {name}: {problem.what}", remedy)


def unique_indexes_start_with_tenant_id(server: ExaminedServer) -> Iterator[Problem]:
    """Check that a unique violation cannot reveal another tenant's rows (CVE-2026-120154)."""
    for (index,) in _in_reference(server, _UNIQUE_INDEXES, TENANT_SCHEMA, REVISION_TABLE):
        what = f"a migration creates the unique index {index} without tenant_id as first column"
        yield error(what, "Create it again with tenant_id as its first column, in a migration.")


def views_have_the_privileges_of_their_caller(server: ExaminedServer) -> Iterator[Problem]:
    """Look for views and foreign tables of migrations that apply no policies of their caller."""
    for (view,) in _in_reference(server, _VIEWS, TENANT_SCHEMA):
        what = f"a migration creates the view {view}, which bypasses row-level security"
        yield error(what, "Create it WITH (security_invoker = true), in a migration.")


def security_definer_functions_set_search_path(server: ExaminedServer) -> Iterator[Problem]:
    """Check that a caller's search_path cannot change a SECURITY DEFINER function."""
    for (function,) in _in_reference(server, _DEFINERS, TENANT_SCHEMA):
        what = f"{function} is SECURITY DEFINER and uses its caller's search_path"
        yield error(what, "Create it with SET search_path = pg_catalog, pg_temp, in a migration.")


def template0_has_the_grants_of_initdb(server: ExaminedServer) -> Iterator[Problem]:
    """Compare the grants on PostgreSQL's own objects with those that initdb recorded.

    References are copies of template0. So a grant there would be in all of them.
    """
    for name, acl in _in_reference(server, _GRANTS_OF_INITDB):
        what = f"template0 has other grants than after initdb on {name}: {acl or 'the default'}"
        yield error(what, "Restore the grants there and in every database.")


def _in_reference(
    server: ExaminedServer, statement: str, *parameters: str
) -> list[tuple[str, ...]]:
    reference = server.references.of_template(server.fleet.head)
    return execute(reference.snapshot.raw, statement, *parameters)


TEMPLATE_CHECKS: tuple[Check[ExaminedServer], ...] = (
    the_template_is_as_the_migrations_say,
    unique_indexes_start_with_tenant_id,
    views_have_the_privileges_of_their_caller,
    security_definer_functions_set_search_path,
    template0_has_the_grants_of_initdb,
)
