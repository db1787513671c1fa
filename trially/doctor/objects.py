"""Checks of a tenants' database for objects that bypass grants or row-level security."""

from collections.abc import Iterator

from trially.doctor.databases import ExaminedDatabase
from trially.doctor.findings import Check, Problem, error, warning
from trially.tenancy.schema.guard import GUARD_SCHEMA

VIEW_KINDS = {"v": "view", "m": "materialised view", "f": "foreign table"}
INVOKER_OPTIONS = {"security_invoker=true", "security_invoker=on", "security_invoker=1"}
RISKY_EXTENSIONS = frozenset({"adminpack", "dblink", "file_fdw", "pageinspect", "postgres_fdw"})
"""Extensions whose functions reach other databases or files."""


def every_object_belongs_to_the_owner(database: ExaminedDatabase) -> Iterator[Problem]:
    """Check that no role with LOGIN owns an object, because grants do not bind an owner."""
    owner = database.fleet.owner
    schemas = database.rows(
        "SELECT 'schema ' || nspname, pg_get_userbyid(nspowner) FROM pg_namespace"
        " WHERE nspname = ANY(%s)",
        sorted({*database.expected.schemas, GUARD_SCHEMA}),
    )
    relations = [(relation.full_name, relation.owner) for relation in database.relations]
    functions = [(function.name, function.owner) for function in database.functions]
    for name, role in [*schemas, *relations, *functions]:
        if role != owner:
            yield error(f"{name} belongs to {role}", f"ALTER … {name} OWNER TO {owner};")


def views_have_the_privileges_of_their_caller(database: ExaminedDatabase) -> Iterator[Problem]:
    """Look for views and foreign tables that show rows without applying the policies."""
    for relation in database.relations:
        kind = VIEW_KINDS.get(relation.kind)
        if kind == "view" and INVOKER_OPTIONS.intersection(relation.options):
            continue
        if kind is not None:
            what = f"the {kind} {relation.full_name} bypasses row-level security"
            remedy = (
                f"ALTER VIEW {relation.full_name} SET (security_invoker = true);"
                if kind == "view"
                else f"Drop the {kind}."
            )
            yield error(what, remedy)


def security_definer_functions_set_search_path(database: ExaminedDatabase) -> Iterator[Problem]:
    """Check that a caller's search_path cannot change a SECURITY DEFINER function."""
    for function in database.functions:
        is_set = any(setting.startswith("search_path=") for setting in function.settings)
        if function.is_security_definer and not is_set:
            what = f"{function.name} is SECURITY DEFINER and uses its caller's search_path"
            yield error(what, f"ALTER FUNCTION {function.name} SET search_path = pg_catalog;")


def languages_are_trusted(database: ExaminedDatabase) -> Iterator[Problem]:
    """Look for untrusted languages, whose functions reach the server's files."""
    rows = database.rows(
        "SELECT lanname FROM pg_language"
        " WHERE NOT lanpltrusted AND lanname NOT IN ('c', 'internal')"
    )
    for (name,) in rows:
        yield error(f"the language {name} is untrusted", f"DROP EXTENSION {name};")


def no_extension_is_installed(database: ExaminedDatabase) -> Iterator[Problem]:
    """Look for extensions. The app needs none, and some reach other databases or files."""
    for (name,) in database.rows("SELECT extname FROM pg_extension WHERE extname <> 'plpgsql'"):
        report = error if name in RISKY_EXTENSIONS else warning
        yield report(f"the extension {name} is installed", f"DROP EXTENSION {name};")


OBJECT_CHECKS: tuple[Check[ExaminedDatabase], ...] = (
    every_object_belongs_to_the_owner,
    views_have_the_privileges_of_their_caller,
    security_definer_functions_set_search_path,
    languages_are_trusted,
    no_extension_is_installed,
)
