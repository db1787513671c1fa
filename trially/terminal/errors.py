"""Errors of commands: one sentence, or with `--json` one JSON object; and closed pipes."""

import os
import re
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import click
import orjson

from trially.errors import OperatorError

CLOSED_PIPE_STATUS = 141
"""128 + SIGPIPE: what a shell reports for a Unix tool whose output pipe was closed."""


class SentenceError(click.ClickException):
    """An error that is printed as one sentence. `code` names its kind for programs."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class StartError(SentenceError):
    """The app of a command cannot be made: a setting or a migration is wrong."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the error as a server prints it."""
        click.echo(self.message, file=file or sys.stderr)


class JsonError(click.ClickException):
    """An error that is printed as one line of JSON on standard error."""

    def __init__(self, message: str, code: str, exit_code: int) -> None:
        super().__init__(message)
        self.code = code
        self.exit_code = exit_code  # type: ignore[misc]

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the error."""
        error = {"code": self.code, "message": self.message, "exit_status": self.exit_code}
        click.echo(orjson.dumps({"error": error}), file=file or sys.stderr)


@contextmanager
def errors_as_sentences() -> Iterator[None]:
    """Turn an error into one sentence and exit status 1, without a traceback.

    An `OperatorError` prints its own message. Of any other error only the type and the SQLSTATE are
    printed, because its message may quote a row. `flask --debug` shows the traceback. If the reader
    of a pipe is gone, the command ends quietly, with the exit status of a Unix tool.
    """
    try:
        yield
        sys.stdout.flush()
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except OperatorError as error:
        raise SentenceError(str(error), code_of(error)) from None
    except BrokenPipeError as error:
        if not _is_reader_gone():
            raise _of_unexpected(error) from None
        _discard_output()
        raise SystemExit(CLOSED_PIPE_STATUS) from None
    except Exception as error:
        if (sentence := _of_database(error)) is None and _shows_tracebacks():
            raise
        raise sentence or _of_unexpected(error) from None


@contextmanager
def errors_as_json(*, is_wanted: bool) -> Iterator[None]:
    """Print the block's errors as JSON, if `--json` was passed, with the same exit status."""
    try:
        yield
    except JsonError:
        raise
    except click.ClickException as error:
        if not is_wanted:
            raise
        code = error.code if isinstance(error, SentenceError) else "usage"
        raise JsonError(error.format_message(), code, error.exit_code) from None
    except click.Abort:
        if not is_wanted:
            raise
        raise JsonError("The command was aborted.", "aborted", 1) from None


def code_of(error: Exception) -> str:
    """Return the code of an error: `UnknownTenantError` has `unknown_tenant`."""
    name = type(error).__name__.removesuffix("Error") or "error"
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _of_database(error: Exception) -> SentenceError | None:
    """Return the sentence for an error of the database, None for any other error."""
    import psycopg2
    from sqlalchemy.exc import SQLAlchemyError

    if not isinstance(error, SQLAlchemyError | psycopg2.Error):
        return None
    original = getattr(error, "orig", None) or error
    sqlstate = getattr(original, "pgcode", None)
    cause = type(original).__name__ + (f", SQLSTATE {sqlstate}" if sqlstate else "")
    return SentenceError(f"The database reported an error ({cause}).", "database")


def _of_unexpected(error: Exception) -> SentenceError:
    return SentenceError(
        f"The command failed with {type(error).__name__}. Run it with `flask --debug …` to see"
        " the traceback.",
        "unexpected",
    )


def _shows_tracebacks() -> bool:
    from flask.helpers import get_debug_flag

    return get_debug_flag()


def _is_reader_gone() -> bool:
    """Return whether the process that reads standard output has closed the pipe."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        return False
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return any(events & select.POLLERR for _, events in poll.poll(0))


def _discard_output() -> None:
    """Let nothing that is still buffered fail again when the interpreter ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
