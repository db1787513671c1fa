"""Checks that a database is equal to its reference, which was built for this examination."""

from collections.abc import Iterator, Mapping

from psycopg2 import errors

from trially.doctor.comparing.compare import compare_builtin, compare_objects
from trially.doctor.comparing.sentence import Sentence
from trially.doctor.databases import ExaminedDatabase
from trially.doctor.findings import Check, Problem, error, warning
from trially.tenancy.catalog_choices import UNBUILT
from trially.tenancy.servers.connections import execute

_LOCKED = (
    "SELECT DISTINCT nspname, relname, pid FROM pg_locks"
    " JOIN pg_class ON pg_class.oid = relation"
    " JOIN pg_namespace ON pg_namespace.oid = relnamespace"
    " WHERE mode = 'AccessExclusiveLock' AND granted AND pid <> pg_backend_pid()"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND nspname !~ '^pg_' ORDER BY 1, 2"
)

_BLUEPRINT = "SELECT ddl FROM trially.blueprint"


def every_object_is_as_in_a_new_placement(database: ExaminedDatabase) -> Iterator[Problem]:
    """Compare each object, owner and grant with those of a new placement of the same revision."""
    if not database.expected.is_provisioned:
        return
    excluded = {
        tenant.placement.schema
        for tenant in database.expected.tenants
        if tenant.status in UNBUILT and database.expected.tier.switches_roles
    } | {
        record.schema
        for record in database.expected.inactive
        if record.kept_until is None and database.expected.tier.switches_roles
    }
    try:
        yield from _compare(database, excluded)
    except errors.LockNotAvailable:
        locked = database.rows(_LOCKED)
        if not locked:
            raise
        slugs = database.expected.slug_by_schema
        for schema, table, process in locked:
            what = f"{schema}.{table} cannot be examined: process {process} has locked it"
            remedy = "Wait for its transaction, or end it, and run `flask doctor` again."
            yield error(what, remedy, slugs.get(schema))
        yield from _compare(database, excluded | {schema for schema, *_ in locked})


def postgresqls_own_objects_are_unchanged(database: ExaminedDatabase) -> Iterator[Problem]:
    """Compare the objects and grants that initdb made: system functions, views and tables."""
    revision = database.revision_of(database.first_schema)
    if database.expected.is_provisioned and revision is not None:
        reference = database.reference_at(revision)
        for sentence in compare_builtin(database.snapshot, reference):
            yield as_problem(sentence, database.expected.only_slug)


def new_tenants_get_the_reference_schema(database: ExaminedDatabase) -> Iterator[Problem]:
    """Compare the statements that create the schema of the next tenant, where they are stored."""
    revision = database.revision_of(database.first_schema)
    if database.expected.tier.blank_schema is None or revision is None:
        return
    reference = database.reference_at(revision)
    expected = execute(reference.snapshot.raw, _BLUEPRINT)
    if _statements(database.rows(_BLUEPRINT)) != _statements(expected):
        what = "trially.blueprint differs: a new tenant's schema would not be as the migrations say"
        yield error(what, "Run `flask db upgrade`, which writes it again.")


def _statements(rows: list[tuple[str]]) -> list[str]:
    """Return the statements of the stored DDL, whose order within a kind means nothing."""
    return sorted(line for (ddl,) in rows for line in ddl.split(";\n"))


def as_problem(sentence: Sentence, tenant: str | None = None) -> Problem:
    """Return the problem that a sentence describes."""
    report = warning if sentence.is_limit else error
    return report(sentence.what, sentence.remedy, tenant)


def _compare(database: ExaminedDatabase, excluded: set[str]) -> list[Problem]:
    """Compare the schemas of each revision with the reference of that revision."""
    digests = database.snapshot.digests(excluded)
    units = database.names.units_by_schema
    main = database.revision_of(database.first_schema)
    revisions = {schema: database.revision_of(schema) for schema in digests if schema in units}
    problems: list[Problem] = []
    for revision in sorted({main, *revisions.values()} - {None}, key=str):
        here = {schema for schema, its_revision in revisions.items() if its_revision == revision}
        problems += _compare_at(
            database, digests, str(revision), here, excluded, is_main=revision == main
        )
    return problems


def _compare_at(
    database: ExaminedDatabase,
    digests: Mapping[str, tuple[int, str]],
    revision: str,
    units: set[str],
    excluded: set[str],
    *,
    is_main: bool,
) -> Iterator[Problem]:
    reference = database.reference_at(revision)
    all_units = set(database.names.units_by_schema)
    others = all_units - units if is_main else {*digests, *reference.digests} - units
    slugs = database.expected.slug_by_schema
    for scope, sentence in compare_objects(
        database.snapshot, reference, digests, excluded | others
    ):
        yield as_problem(sentence, slugs.get(scope) or database.expected.only_slug)


COMPARISON_CHECKS: tuple[Check[ExaminedDatabase], ...] = (
    every_object_is_as_in_a_new_placement,
    postgresqls_own_objects_are_unchanged,
    new_tenants_get_the_reference_schema,
)
