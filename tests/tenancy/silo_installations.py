"""Run instances of the app, and a real nginx before them, as an operator would."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson
import pytest

from trially.config import ROOT

PLACES = (os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin")
"""Debian installs nginx where only root looks."""

START_SECONDS = 60

NGINX = """
daemon off;
worker_processes 1;
pid nginx.pid;
error_log error.log emerg;
events {{ worker_connections 256; }}
http {{
    client_body_temp_path temporary/body;
    proxy_temp_path temporary/proxy;
    fastcgi_temp_path temporary/fastcgi;
    uwsgi_temp_path temporary/uwsgi;
    scgi_temp_path temporary/scgi;
    include trially/trially.conf;
    server {{
        listen 127.0.0.1:{port};
        include trially/proxy.conf;
    }}
}}
"""


@dataclass
class Running:
    """A process that listens at a port of the loopback, and what it writes."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    def stop(self) -> None:
        """Have it end at once, and see that it has: to gunicorn and nginx, SIGINT says so."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass(frozen=True)
class Answer:
    """An answer, without what is different each time."""

    status: int
    header_names: tuple[str, ...]
    body: Any


def free_port() -> int:
    """Return a port of the loopback at which nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def environment_of(instance: Path, **settings: str) -> dict[str, str]:
    """Return the whole environment of an instance's processes."""
    return {
        "PATH": "/usr/bin:/bin",
        "WEB_CONCURRENCY": "1",
        "WEB_THREADS": "4",
        "TRIALLY_INSTANCE": str(instance),
        "TRIALLY_DEVELOPMENT": "1",
        "TRIALLY_DATABASE_URL": "",
        **settings,
    }


def start_instance(environment: Mapping[str, str], port: int, log: Path) -> Running:
    """Serve an instance with gunicorn, as it is configured."""
    command = [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py"]
    command += ["--bind", f"127.0.0.1:{port}", "wsgi:app"]
    return Running(_start(command, log, env=environment, cwd=ROOT), port, log)


def start_command(
    environment: Mapping[str, str], log: Path, *words: str
) -> "subprocess.Popen[bytes]":
    """Run a command of an instance's `flask`."""
    return _start([sys.executable, "-m", "flask", *words], log, env=environment, cwd=ROOT)


def start_router(folder: Path, files: list[Path], port: int) -> Running:
    """Install the router's files, and serve them with an nginx that has no rights."""
    program = shutil.which("nginx", path=os.pathsep.join(PLACES))
    if program is None:
        pytest.skip("nginx is not installed: as root, `apt-get install nginx-light`.")
    for each in files:
        shutil.copytree(each, folder / "trially", dirs_exist_ok=True)
    proxy = folder / "trially" / "proxy.conf"
    assert "access_log off;" in proxy.read_text()
    log = f"access_log {folder / 'access.log'} trially;"
    proxy.write_text(proxy.read_text().replace("access_log off;", log))
    (folder / "temporary").mkdir()
    (folder / "nginx.conf").write_text(NGINX.format(port=port))
    command = [program, "-e", "error.log", "-p", f"{folder}/", "-c", "nginx.conf"]
    return Running(_start(command, folder / "output", **_without_rights(folder)), port, folder)


def wait_until(is_so: Callable[[], bool], *running: Running) -> None:
    """Wait for something, and fail with what a process has written if it ends before."""
    deadline = time.monotonic() + START_SECONDS
    while not is_so():
        for each in running:
            assert each.process.poll() is None, words_of(each)
        assert time.monotonic() < deadline, [words_of(each) for each in running]
        time.sleep(0.05)


def is_ready(running: Running) -> bool:
    """Tell whether an instance calls itself ready."""
    try:
        return ask(running.port, "/readyz").status == 200
    except OSError:
        return False


def listens(running: Running) -> bool:
    """Tell whether somebody answers at a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", running.port)) == 0


def ask(
    port: int,
    path: str,
    method: str = "GET",
    body: Any = None,
    headers: Mapping[str, str | list[str]] = MappingProxyType({}),
) -> Answer:
    """Send a request with exactly this path and these headers, of which some may come twice."""
    content = b"" if body is None else orjson.dumps(body)
    with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, values in headers.items():
            for value in [values] if isinstance(values, str) else values:
                connection.putheader(name, value)
        if content:
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", str(len(content)))
        connection.endheaders(content)
        answer = connection.getresponse()
        read = orjson.loads(answer.read())
    if isinstance(read, dict):
        read.pop("request_id", None)
    names = sorted(name.lower() for name in answer.headers)
    return Answer(answer.status, tuple(names), read)


def words_of(running: Running) -> str:
    """Return all that a process has written."""
    logs = running.log.glob("*") if running.log.is_dir() else [running.log]
    return "".join(log.read_text() for log in logs if log.is_file())


def _start(command: list[str], log: Path, **options: Any) -> "subprocess.Popen[bytes]":
    with log.open("ab") as output:
        return subprocess.Popen(command, stdout=output, stderr=output, **options)


def _without_rights(folder: Path) -> dict[str, Any]:
    """Have a process that root starts be nobody's, to whom the folder is given."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
