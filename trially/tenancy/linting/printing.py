"""The SQL of one migration, without a database."""

from trially.tenancy.schema.composing import written
from trially.tenancy.schema.stepping import Step, Steps


class UnprintableError(Exception):
    """A migration needs a database to know what it does."""


def sql_of(steps: Steps, revision: str) -> str:
    """Return the SQL that a migration runs, with BEGIN and COMMIT.

    Raises `UnprintableError` for a migration that reads rows.
    """
    try:
        statements = written(steps, Step(revision, None, revision), with_transaction=True)
    except Exception as error:
        raise UnprintableError(f"{type(error).__name__}: {error}") from error
    return "".join(f"{statement};\n\n" for statement in statements)
