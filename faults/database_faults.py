"""Faults of one database, one role or one disk."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faults.fault import Fault, Reach
from faults.installation import Server
from faults.scene import CannotRunError, Scene

DISK_MB = 64
FILL_CHUNK = 1_000_000
CROWD = 20


def end_sessions(server: Server, database: str) -> None:
    """End all sessions of a database."""
    server.ask(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        " AND pid <> pg_backend_pid()",
        database,
    )


def rename(server: Server, old: str, new: str) -> None:
    """Rename a database, against those who connect to it all the time."""
    server.ask(f'ALTER DATABASE "{old}" ALLOW_CONNECTIONS false')
    end_sessions(server, old)
    server.ask(f'ALTER DATABASE "{old}" RENAME TO "{new}"')
    server.ask(f'ALTER DATABASE "{new}" ALLOW_CONNECTIONS true')


@contextmanager
def rename_catalog(scene: Scene) -> Iterator[None]:
    name = scene.installation.settings.catalog_database
    rename(scene.first, name, f"{name}_away")
    yield
    rename(scene.first, f"{name}_away", name)


@contextmanager
def revoke_catalog(scene: Scene) -> Iterator[None]:
    """Take CONNECT on the catalog from its reader, and end its sessions."""
    name = scene.installation.settings.catalog_database
    scene.first.ask(f'REVOKE CONNECT ON DATABASE "{name}" FROM "{name}_reader", PUBLIC')
    scene.first.ask(f'ALTER ROLE "{name}_reader" CONNECTION LIMIT 0')
    end_sessions(scene.first, name)
    yield
    scene.first.ask(f'GRANT CONNECT ON DATABASE "{name}" TO "{name}_reader"')
    scene.first.ask(f'ALTER ROLE "{name}_reader" CONNECTION LIMIT -1')


@contextmanager
def rename_database(scene: Scene) -> Iterator[None]:
    name = scene.victim().database
    rename(scene.first, name, f"{name}_away")
    yield
    rename(scene.first, f"{name}_away", name)


@contextmanager
def limit_role(scene: Scene) -> Iterator[None]:
    """Allow the victim's role one connection, and let many clients want one."""
    tenant = scene.victim()
    [(former,)] = scene.first.ask(
        "SELECT rolconnlimit FROM pg_roles WHERE rolname = %s", tenant.role
    )
    scene.first.ask(f'ALTER ROLE "{tenant.role}" CONNECTION LIMIT 1')
    end_sessions(scene.first, tenant.database)
    with scene.crowd(tenant, 8):
        yield
    scene.first.ask(f'ALTER ROLE "{tenant.role}" CONNECTION LIMIT {former}')


@contextmanager
def one_millisecond(scene: Scene) -> Iterator[None]:
    """Give the victim's role a statement_timeout of 1 ms, and end its sessions."""
    tenant = scene.victim()
    [(former,)] = scene.first.ask("SELECT rolconfig FROM pg_roles WHERE rolname = %s", tenant.role)
    scene.first.ask(f"ALTER ROLE \"{tenant.role}\" SET statement_timeout = '1ms'")
    end_sessions(scene.first, tenant.database)
    yield
    for setting in former or ():
        name, _, value = setting.partition("=")
        if name == "statement_timeout":
            scene.first.ask(f"ALTER ROLE \"{tenant.role}\" SET statement_timeout = '{value}'")
    end_sessions(scene.first, tenant.database)


@contextmanager
def read_only(scene: Scene) -> Iterator[None]:
    name = scene.victim().database
    scene.first.ask(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    end_sessions(scene.first, name)
    yield
    scene.first.ask(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
    end_sessions(scene.first, name)


@contextmanager
def lock_table(scene: Scene) -> Iterator[None]:
    """Lock the victim's patients for everyone, and let many clients want them."""
    tenant = scene.victim()
    with scene.first.session(tenant.database) as raw, raw.cursor() as cursor:
        cursor.execute(f'BEGIN; LOCK TABLE "{tenant.schema}".patient')
        with scene.crowd(tenant, CROWD):
            yield
            cursor.execute("ROLLBACK")


@contextmanager
def small_disk(scene: Scene) -> Iterator[dict[str, str]]:
    """Move the victim's database to a small disk of its own."""
    with mounted_disk(scene, scene.first, scene.victim().database):
        yield {}


@contextmanager
def mounted_disk(scene: Scene, server: Server, database: str) -> Iterator[None]:
    """Let a database be on a small disk, which is mounted as `disk`, until the block ends."""
    disk = scene.installation.folder / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(disk)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        disk.rmdir()
        raise CannotRunError("A small disk cannot be mounted. Run it as root.")
    place = disk / "tablespace"
    try:
        place.mkdir(mode=0o700)
        owner = (server.directory / "data").stat()
        os.chown(place, owner.st_uid, owner.st_gid)
        server.ask(f"CREATE TABLESPACE small LOCATION '{place}'")
        _move(server, database, "small")
        yield
        _move(server, database, "pg_default")
        server.ask("DROP TABLESPACE small")
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=False)
        disk.rmdir()


def _move(server: Server, database: str, tablespace: str) -> None:
    end_sessions(server, database)
    time.sleep(0.2)
    server.ask(f'ALTER DATABASE "{database}" SET TABLESPACE {tablespace}')


@contextmanager
def fill_disk(scene: Scene) -> Iterator[None]:
    """Fill the small disk with a file, to the last byte."""
    file = scene.installation.folder / "disk" / "full"
    fill(file)
    yield
    file.unlink()


def fill(path: Path) -> None:
    """Write a file until its disk is full, to the last byte."""
    chunk = b"\0" * FILL_CHUNK
    with path.open("wb", buffering=0) as file:
        while chunk:
            try:
                file.write(chunk)
            except OSError:
                chunk = chunk[: len(chunk) // 2]


FAULTS = (
    Fault(
        "catalog_away",
        "The catalog database is renamed.",
        rename_catalog,
        Reach.NOBODY,
        seconds=15,
        is_quick=True,
    ),
    Fault(
        "catalog_refuses",
        "The catalog's reader may not connect to it any more.",
        revoke_catalog,
        Reach.NOBODY,
        seconds=12,
    ),
    Fault(
        "database_away",
        "One tenant's database is renamed.",
        rename_database,
        Reach.ONE,
    ),
    Fault(
        "role_limited",
        "One tenant's role may have one connection, and 10 clients of it are busy.",
        limit_role,
        Reach.ONE,
    ),
    Fault(
        "statement_timeout",
        "One tenant's role has a `statement_timeout` of 1 ms.",
        one_millisecond,
        Reach.ONE,
    ),
    Fault(
        "database_read_only",
        "One tenant's database takes no writes.",
        read_only,
        Reach.ONE,
    ),
    Fault(
        "table_locked",
        "One tenant's table is locked for 20 s, and 22 clients of it want it.",
        lock_table,
        Reach.ONE,
        seconds=20,
        is_quick=True,
    ),
    Fault(
        "disk_full",
        "The disk of one tenant's database is full.",
        fill_disk,
        Reach.ONE,
        prepare=small_disk,
        seconds=8,
    ),
)
