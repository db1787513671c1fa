"""A temporary installation for measurements, with its own durable PostgreSQL (fsync is on)."""

import gc
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flask import Flask

from trially import create_app
from trially.config import Settings, read_settings
from trially.embedded_postgres.sharing import stop_using
from trially.embedded_postgres.watcher import DATA, find_postmaster
from trially.tenancy.schema.installing import install
from trially.tenancy.servers.administrator import EMBEDDED_DIRECTORY, administrator_url

STOP_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Installation:
    """An app, and its PostgreSQL."""

    app: Flask
    settings: Settings
    postmaster_id: int
    environment: dict[str, str]
    """Environment variables that give other processes the same settings."""


def settings_of_environment() -> Settings:
    """Return the installation's settings, in a process that it has started."""
    return read_settings(Path(os.environ["TRIALLY_INSTANCE"]))


@contextmanager
def installation(
    kept: Path | None = None, postgres_settings: Mapping[str, str] | None = None
) -> Iterator[Installation]:
    """Install trially in a temporary folder; stop the server and delete the folder at the end.

    A folder to be kept is used as it is, and not deleted. `postgres_settings` are added to those of
    the server.
    """
    if kept is not None:
        kept.mkdir(exist_ok=True)
    instance = (kept or Path(tempfile.mkdtemp(prefix="trially-benchmark-"))).resolve()
    instance.chmod(0o711)  # if we are root, PostgreSQL runs as another user
    for name in [name for name in os.environ if name.startswith("TRIALLY_")]:
        del os.environ[name]
    os.environ["TRIALLY_INSTANCE"] = str(instance)
    os.environ["TRIALLY_DEVELOPMENT"] = "1"
    os.environ["TRIALLY_SECRET_KEY"] = "a secret of the benchmarks, 32 characters"
    if postgres_settings:
        os.environ["TRIALLY_EMBEDDED_SETTINGS"] = ",".join(
            f"{name}={value}" for name, value in postgres_settings.items()
        )
    cluster, left = instance / EMBEDDED_DIRECTORY, [] if kept else [instance]
    try:
        settings = read_settings(instance)
        url = administrator_url(settings)
        left = [*([] if kept else [instance]), Path(str(url.query["host"]))]
        written = url.render_as_string(hide_password=False)
        environment = {**os.environ, "TRIALLY_DATABASE_URL": written}
        app = create_app(settings)
        with app.app_context():
            install()
        # As workers do at their start: else a collection looks at all modules again.
        gc.collect()
        gc.freeze()
        postmaster = find_postmaster(cluster / DATA)
        assert postmaster is not None
        yield Installation(app, settings, postmaster.process_id, environment)
    finally:
        _remove(cluster, left)


def _remove(cluster: Path, left: list[Path]) -> None:
    """Release the server, wait until its watcher has stopped it, and delete the folders."""
    stop_using(cluster.resolve())
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    while find_postmaster(cluster / DATA) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)
    for folder in left:
        shutil.rmtree(folder, ignore_errors=True)
