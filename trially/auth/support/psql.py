"""Run psql as a tenant's role. Its password is in a private file, and nowhere else."""

import getopt
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from psycopg2.extensions import make_dsn
from sqlalchemy import URL
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2

from trially.database.connecting import Login, connect
from trially.database.placement import Placement
from trially.errors import OperatorError
from trially.tenancy.servers.access import server_access

CHECKED_EVERY_SECONDS = 5.0
"""How often a session's grant is looked at."""

APPLICATION = "trially-psql"

_SHORT = "aAbc:d:eEf:F:hHlL:no:p:P:qR:sStT:U:v:VwWxXz01?"
_LONG = (
    *("echo-all", "no-align", "command=", "dbname=", "echo-queries", "echo-errors"),
    *("echo-hidden", "file=", "field-separator=", "html", "list", "log-file=", "no-readline"),
    *("output=", "pset=", "quiet", "record-separator=", "single-step", "single-line"),
    *("tuples-only", "table-attr=", "set=", "variable=", "version", "expanded", "no-psqlrc"),
    *("host=", "port=", "username=", "no-password", "password", "csv", "single-transaction"),
    *("field-separator-zero", "record-separator-zero", "help="),
)
_CONNECTING = frozenset({"-d", "-h", "-p", "-U", "-w", "-W"}) | {
    *("--dbname", "--host", "--port", "--username", "--no-password", "--password"),
}
"""psql's options that would choose another database or role."""


class MissingPsqlError(OperatorError):
    """psql is not installed."""


class RefusedOptionError(OperatorError):
    """An option of psql is unknown, or would connect to something else than the tenant."""


class SessionEndedError(OperatorError):
    """The grant of a session has ended."""


def check_arguments(arguments: Sequence[str]) -> None:
    """Raise `RefusedOptionError` unless psql's own arguments leave the connection alone."""
    try:
        options, rest = getopt.gnu_getopt(list(arguments), _SHORT, _LONG)
    except getopt.GetoptError as error:
        raise RefusedOptionError(f"psql's arguments are not valid: {error}.") from error
    for name, _ in options:
        if name in _CONNECTING:
            raise RefusedOptionError(f"{name} cannot be passed: the tenant chooses the connection.")
    if rest:
        raise RefusedOptionError("A database or a role cannot be passed: the tenant chooses them.")


def run_psql(
    placement: Placement,
    arguments: Sequence[str],
    *,
    writes: bool,
    is_allowed: Callable[[], bool],
    checked_every: float = CHECKED_EVERY_SECONDS,
) -> int:
    """Run psql in the tenant's schema with its id set, and return the exit status.

    Raises `MissingPsqlError`, or `SessionEndedError` once `is_allowed` returns False: the session
    is then ended.
    """
    program = shutil.which("psql")
    if program is None:
        raise MissingPsqlError(
            "psql is not installed, or its folder is not in PATH. Install PostgreSQL's client"
            " programs, on Debian with `apt install postgresql-client`."
        )
    url = _accepted_url(placement)
    with _password_file(url) as file, _interrupts_left_to_psql():
        words = [program, *arguments, "-d", connection_string(placement, url, writes=writes)]
        process = subprocess.Popen(words, env=_environment(file))  # noqa: S603
        try:
            return _wait(process, is_allowed, checked_every)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()


def connection_string(placement: Placement, url: URL, *, writes: bool) -> str:
    """Return libpq's description of the connection, without the password."""
    options = {
        "search_path": f"{placement.schema},pg_temp",
        "trially.tenant_id": str(placement.tenant_id),
        "default_transaction_read_only": "off" if writes else "on",
        **({"role": placement.role} if placement.role else {}),
    }
    _, parameters = PGDialect_psycopg2().create_connect_args(url)  # type: ignore[no-untyped-call]
    parameters.pop("password", None)
    ours = " ".join(f"-c {name}={value}" for name, value in options.items())
    parameters["options"] = f"{parameters.get('options', '')} {ours}".strip()
    parameters["application_name"] = APPLICATION
    return str(make_dsn(**parameters))


def _accepted_url(placement: Placement) -> URL:
    """Return the URL, not through a pooler, with the password that the server accepts now."""
    access = server_access(placement.server)
    url = access.admin_url.set(
        username=placement.url.username,
        password=placement.url.password,
        database=placement.url.database,
    )

    def open_one(tried: URL) -> URL:
        with closing(connect(tried, application_name=APPLICATION)):
            return tried

    return Login(url, placement.other_password).open(open_one)


def _wait(
    process: "subprocess.Popen[bytes]", is_allowed: Callable[[], bool], checked_every: float
) -> int:
    while True:
        try:
            status = process.wait(checked_every)
        except subprocess.TimeoutExpired:
            if is_allowed():
                continue
            process.terminate()
            process.wait()
            raise SessionEndedError("The support grant has ended, so psql was ended.") from None
        return status if status >= 0 else 128 - status


@contextmanager
def _password_file(url: URL) -> Iterator[Path]:
    """Write the password into a file that only this account can read; remove it at the end."""
    fields = (url.database, url.username, url.password)
    escaped = (str(each).replace("\\", "\\\\").replace(":", "\\:") for each in fields)
    # mkdtemp makes a folder that no other account can enter.
    folder = Path(tempfile.mkdtemp(prefix="trially-psql-"))
    try:
        file = folder / "passwords"
        file.touch(mode=0o600)
        file.write_text(":".join(("*", "*", *escaped)) + "\n", encoding="utf-8")
        yield file
    finally:
        shutil.rmtree(folder)


def _environment(password_file: Path) -> dict[str, str]:
    """Return psql's environment: without the app's secrets, and without a history of statements."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TRIALLY_", "PG")) and name not in ("DATABASE_URL", "SECRET_KEY")
    }
    return {
        **kept,
        "PGPASSFILE": str(password_file),
        "PSQL_HISTORY": os.devnull,
        "LESSHISTFILE": os.devnull,
    }


@contextmanager
def _interrupts_left_to_psql() -> Iterator[None]:
    """Let Ctrl-C cancel a statement of psql, and let SIGTERM and SIGHUP remove the password."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        """Do nothing: psql, which is in the same group, gets the signal too."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    handlers: dict[int, Any] = {signal.SIGINT: leave, signal.SIGTERM: end, signal.SIGHUP: end}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
