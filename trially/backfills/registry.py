"""The backfills of this version: the files beside the tenants' migrations."""

import importlib.util
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from trially.database.model import TenantModel
from trially.errors import OperatorError
from trially.tenancy.schema.revision_files import TENANT_LINEAGE, revisions_of

FOLDER = TENANT_LINEAGE / "backfills"

FIRST_REVISION = "0022"
"""The migration that adds the table of positions."""

_NAME = re.compile(r"(\d{4})_[a-z0-9_]{1,60}")


class BackfillError(OperatorError):
    """A backfill is not written as it must be, or does not exist."""


@dataclass(frozen=True)
class Backfill:
    """What a file of a backfill calls `backfill`."""

    model: type[TenantModel]
    """The rows that are visited, each once, by id."""

    fill: Callable[[Sequence[UUID]], int]
    """Changes those of some rows of the current tenant that need it, and returns their number.

    It runs in a transaction, which it must not commit, and notes for the audit record what it
    writes. It may be called again for rows that it has changed.
    """

    batch_size: int = 1_000
    """The most rows of one transaction."""


@dataclass(frozen=True)
class NamedBackfill:
    """A backfill, and what its file's name says."""

    name: str
    revision: str
    """The migration that a tenant needs first."""

    backfill: Backfill


def read_backfills(folder: Path | None = None) -> list[NamedBackfill]:
    """Return all backfills, the oldest first. Raises `BackfillError`."""
    folder = FOLDER if folder is None else folder
    known = revisions_of(TENANT_LINEAGE)
    return [_read(path, known) for path in sorted(folder.glob("*.py"))]


def choose(name: str | None) -> list[NamedBackfill]:
    """Return the backfill of a name, or all. Raises `BackfillError`."""
    backfills = read_backfills()
    if name is None:
        return backfills
    chosen = [each for each in backfills if each.name == name]
    if not chosen:
        known = ", ".join(each.name for each in backfills) or "none"
        raise BackfillError(f"There is no backfill {name!r}. There are: {known}.")
    return chosen


def _read(path: Path, revisions: frozenset[str]) -> NamedBackfill:
    match = _NAME.fullmatch(path.stem)
    if match is None or match[1] not in revisions or match[1] < FIRST_REVISION:
        raise BackfillError(
            f"{path.name} is not named like {FIRST_REVISION}_fill_places.py. Begin the name with"
            f" the number of the migration that tenants need first, {FIRST_REVISION} or later."
        )
    spec = importlib.util.spec_from_file_location(f"backfill_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise BackfillError(f"{path.name} cannot be imported.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = getattr(module, "backfill", None)
    if not isinstance(found, Backfill):
        raise BackfillError(f"{path.name} has no `backfill = Backfill(…)`.")
    return NamedBackfill(path.stem, match[1], found)
