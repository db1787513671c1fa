"""The SQL of one migration, without a database."""

from io import StringIO

from alembic.runtime.migration import MigrationContext

from trially.tenancy.schema.stepping import Steps, using


class UnprintableError(Exception):
    """A migration needs a database to know what it does."""


def sql_of(steps: Steps, revision: str) -> str:
    """Return the SQL that a migration runs, with BEGIN and COMMIT.

    Raises `UnprintableError` for a migration that reads rows.
    """
    printed = StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql",
        opts={
            "as_sql": True,
            "output_buffer": printed,
            "literal_binds": True,
            "script": steps.scripts,
            "transactional_ddl": True,
        },
    )
    try:
        with using(context), context.begin_transaction():
            steps.scripts.get_revision(revision).module.upgrade()
    except Exception as error:
        raise UnprintableError(f"{type(error).__name__}: {error}") from error
    return printed.getvalue()
