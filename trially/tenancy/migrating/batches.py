"""Run the composed statements of a migration: one message to the server, if all goes well."""

from collections.abc import Callable

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection
from sqlalchemy.exc import DBAPIError

from trially.errors import OperatorError
from trially.tenancy.schema.composing import Composed
from trially.tenancy.schema.failures import PASSING
from trially.tenancy.schema.stepping import Step
from trially.tenancy.servers.connections import execute


class ChangedRevisionError(OperatorError):
    """The revision of a place has changed while it was migrated."""


def run_composed(
    composed: Composed,
    raw: connection,
    schema: str,
    step: Step,
    *,
    before: Callable[[], object],
    after: Callable[[], object],
) -> None:
    """Run the statements of a step, and record its revision, in one transaction.

    Raises SQLAlchemy's `DBAPIError` with the statement that failed, as Alembic would. PostgreSQL
    does not tell which statement of a batch failed, so after an error they are run one by one.
    Only an error that passes is not waited for again: it names all of them.
    """
    statements = [*composed.statements, _record_sql(raw, schema, step)]
    before()
    try:
        recorded = _run(raw, "\n;\n".join(statements))  # a statement may end with a comment
    except DBAPIError as error:
        if getattr(error.orig, "pgcode", None) in {None, *PASSING}:
            raise
        raw.rollback()
        before()
        recorded = [_run(raw, statement) for statement in statements][-1]
    if len(recorded) != 1:
        raise ChangedRevisionError(f"The revision of {schema} is no longer {step.before}.")
    after()
    raw.commit()


def _run(raw: connection, statement: str) -> list[tuple[str]]:
    try:
        return execute(raw, statement)
    except psycopg2.Error as error:
        raise DBAPIError(statement, None, error, hide_parameters=True) from error


def _record_sql(raw: connection, schema: str, step: Step) -> str:
    """Return the statement that records a revision, and returns it if it was the one before."""
    update = sql.SQL("UPDATE {} SET version_num = {} WHERE version_num = {} RETURNING version_num")
    table = sql.Identifier(schema, "alembic_version")
    return update.format(table, sql.Literal(step.after), sql.Literal(step.before)).as_string(raw)
