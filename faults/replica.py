"""A read replica of the first server, for faults of replicas."""

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import make_url

from faults.installation import POSTGRES_SETTINGS, STOP_TIMEOUT_SECONDS, Server
from faults.scene import Scene
from trially.embedded_postgres.cluster import find_binaries
from trially.embedded_postgres.server import start_embedded_server
from trially.embedded_postgres.sharing import stop_using
from trially.embedded_postgres.watcher import DATA

PASSWORD = "password"


@contextmanager
def with_replica(scene: Scene) -> Iterator[dict[str, str]]:
    """Start a standby of the first server, and let it answer reads until the end."""
    replica = _start_standby(scene.first)
    url = replica.url.render_as_string(hide_password=False)
    scene.installation.run_command("servers", "change", "default", "--replica", url)
    scene.replica = replica
    try:
        yield {}
    finally:
        scene.installation.run_command("servers", "change", "default", "--no-replicas", "--yes")
        stop_using(replica.directory)
        replica.wait_until_stopped()
        shutil.rmtree(replica.directory, ignore_errors=True)


def _start_standby(primary: Server) -> Server:
    directory = primary.directory.parent / "replica"
    data = directory / DATA
    directory.mkdir(mode=0o711)
    data.mkdir(mode=0o700)
    shutil.copy(primary.directory / PASSWORD, directory / PASSWORD)
    account = pwd.getpwuid((primary.directory / DATA).stat().st_uid)
    for path in (data, directory / PASSWORD):
        os.chown(path, account.pw_uid, account.pw_gid)
    command = [str(find_binaries() / "pg_basebackup"), f"--pgdata={data}", "--checkpoint=fast"]
    command += ["--no-sync", "--write-recovery-conf"]
    url = make_url(primary.url)
    command += [f"--dbname=host={url.query['host']} port=5432 user={url.username}"]
    is_root = os.geteuid() == 0
    subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], "PGPASSWORD": str(url.password)},
        cwd=directory,
        check=True,
        capture_output=True,
        timeout=STOP_TIMEOUT_SECONDS,
        user=account.pw_uid if is_root else None,
        group=account.pw_gid if is_root else None,
        extra_groups=[] if is_root else None,
    )
    server = start_embedded_server(directory, settings=POSTGRES_SETTINGS)
    replica = Server("replica", directory, server.url())
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    while not replica.ask("SELECT count(*) > 0 FROM pg_stat_wal_receiver")[0][0]:
        if time.monotonic() > deadline:
            raise TimeoutError("The replica does not follow its primary.")
        time.sleep(0.1)
    return replica
