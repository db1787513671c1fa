"""The folder of loaded terminologies: one SQLite file for each code system.

A file is never changed, only replaced. Processes open it for each use, so they use the new file at
once, and a use that has begun ends with the former one.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trially.config import current_settings
from trially.errors import OperatorError
from trially.terminologies.building import FORMAT
from trially.terminologies.systems import SYSTEMS, System
from trially.terminologies.terminology import Terminology, TerminologyInfo

SUFFIX = ".sqlite"


class NotLoadedError(OperatorError):
    """A code system is not loaded."""


class OutdatedFormatError(OperatorError):
    """A file was written by another version of trially."""


def folder() -> Path:
    """Return the folder of the terminologies."""
    settings = current_settings()
    return (settings.terminologies or settings.instance / "terminologies").resolve()


def path_of(system: System) -> Path:
    """Return the path of a system's file, which need not exist."""
    return folder() / f"{system.name}{SUFFIX}"


def is_loaded(system: System) -> bool:
    """Return whether a system is loaded."""
    return path_of(system).exists()


@contextmanager
def opened(system: System) -> Iterator[Terminology]:
    """Open a terminology for reading. Raises `NotLoadedError` or `OutdatedFormatError`."""
    path = path_of(system)
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
    except sqlite3.OperationalError:
        raise NotLoadedError(
            f"{system.title} is not loaded. `flask terminologies load {system.name} FILE…` loads"
            " it."
        ) from None
    try:
        terminology = Terminology(system, connection)
        if terminology.meta.get("format") != FORMAT:
            raise OutdatedFormatError(
                f"{path} was written by another version of trially. Load {system.title} again:"
                f" `flask terminologies load {system.name} FILE…`."
            )
        yield terminology
    finally:
        connection.close()


def list_loaded() -> list[TerminologyInfo]:
    """Return what is loaded, in the order of `SYSTEMS`."""
    found = []
    for system in SYSTEMS.values():
        if is_loaded(system):
            with opened(system) as terminology:
                found.append(terminology.info)
    return found


def remove(system: System) -> None:
    """Remove a terminology. Raises `NotLoadedError`."""
    try:
        path_of(system).unlink()
    except FileNotFoundError:
        raise NotLoadedError(f"{system.title} is not loaded, so nothing was removed.") from None
