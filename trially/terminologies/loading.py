"""Load a terminology from files, and replace the former one when all is read."""

import datetime as dt
import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from trially.errors import OperatorError
from trially.terminologies.building import FORMAT, Builder
from trially.terminologies.formats import Reader
from trially.terminologies.formats.icd10cm import read_icd10cm
from trially.terminologies.formats.loinc import read_loinc
from trially.terminologies.formats.rxnorm import read_rxnorm
from trially.terminologies.formats.snomed import read_snomed
from trially.terminologies.reading import InputFile, TerminologyFileError, Watch
from trially.terminologies.store import folder, path_of
from trially.terminologies.systems import System

READERS: Mapping[str, Reader] = {
    "sct": read_snomed,
    "icd10cm": read_icd10cm,
    "rxnorm": read_rxnorm,
    "loinc": read_loinc,
}
"""By short name of the system."""


ABANDONED_SECONDS = 86_400
"""An unfinished file that was not written for so long belongs to a load that was killed."""


class UnwritableError(OperatorError):
    """The file of a terminology cannot be written."""


class Loaded(NamedTuple):
    """What was read."""

    version: str
    identity: str
    codes: int
    edges: int
    """Pairs of a code and one directly above it."""


def load(
    system: System,
    paths: Sequence[Path],
    *,
    version: str | None = None,
    dry_run: bool = False,
    watch: Watch = lambda _bytes: None,
) -> Loaded:
    """Load a system from files. With `dry_run` they are read, and nothing is replaced.

    `version` is used instead of the one that the files name. Raises `TerminologyFileError`, or
    `UnwritableError`.
    """
    try:
        folder().mkdir(parents=True, exist_ok=True)
        _remove_abandoned(system)
        return _load(system, paths, version, watch, dry_run=dry_run)
    except (sqlite3.Error, OSError) as error:
        raise UnwritableError(
            f"{system.title} cannot be written to {folder()}: {error}. The former release stays."
            " TRIALLY_TERMINOLOGIES names another folder."
        ) from error


def _load(
    system: System, paths: Sequence[Path], version: str | None, watch: Watch, *, dry_run: bool
) -> Loaded:
    files = [InputFile(path, watch) for path in paths]
    unfinished = folder() / f".{system.name}-{uuid4().hex}.building"
    builder = Builder(unfinished)
    try:
        named = READERS[system.name](files, builder)
        if not (version or named):
            raise TerminologyFileError(
                f"The files do not name the version of {system.title}. Pass --version."
            )
        loaded_version, identity = version or str(named), _identity(system, files)
        codes, edges = builder.finish(
            {
                "version": loaded_version,
                "identity": identity,
                "loaded_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
                "files": json.dumps([path.name for path in paths]),
            }
        )
        if not codes:
            raise TerminologyFileError(f"The files hold no code of {system.title}.")
        if not dry_run:
            _replace(unfinished, path_of(system))
    finally:
        builder.close()
        with suppress(FileNotFoundError):
            unfinished.unlink()
    return Loaded(loaded_version, identity, codes, edges)


def _remove_abandoned(system: System) -> None:
    """Remove what loads that were killed have left."""
    for path in folder().glob(f".{system.name}-*"):
        if time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
            path.unlink(missing_ok=True)


def _identity(system: System, files: Sequence[InputFile]) -> str:
    """Return a digest of all that expansions depend on."""
    parts = [system.url, FORMAT, *sorted(file.digest for file in files)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _replace(finished: Path, target: Path) -> None:
    """Move a finished file to its place, so that a crash leaves the former or the new one."""
    finished.chmod(0o644)
    with finished.open("rb") as file:
        os.fsync(file.fileno())
    finished.replace(target)
    descriptor = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
