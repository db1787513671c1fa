"""A reference database, whose rows are read once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from threading import RLock

from trially.doctor.comparing.names import Unit
from trially.doctor.comparing.restoring import restored_definitions
from trially.doctor.comparing.snapshots import Row, Snapshot


@dataclass(frozen=True)
class Reference:
    """A database that has what a new placement has. Threads share an object."""

    database: str
    snapshot: Snapshot
    unit: Unit | None = None
    """The tenant with a schema of its own, in a tier of own schemas."""

    _lock: RLock = field(default_factory=RLock)
    _rows: dict[str, list[Row]] = field(default_factory=dict)
    _builtin_rows: dict[str, list[Row]] = field(default_factory=dict)
    _restored: dict[str, dict[str, str]] = field(default_factory=dict)

    @cached_property
    def builtin_digests(self) -> dict[str, tuple[int, int]]:
        """The number and versions of PostgreSQL's own rows, by catalog."""
        return dict(self.snapshot.builtin_digests())

    @cached_property
    def digests(self) -> dict[str, tuple[int, str]]:
        """The number of rows and their digest, by scope."""
        return dict(self.snapshot.digests())

    def rows(self, scope: str) -> list[Row]:
        """Return the rows of a scope."""
        with self._lock:
            if scope not in self._rows:
                self._rows.update(self.snapshot.rows([scope]))
            return self._rows[scope]

    def restored_definitions(self, scope: str) -> Mapping[str, str]:
        """Return definitions of constraints, each with how it is printed after a restore.

        Those that are printed as before are left out.
        """
        with self._lock:
            if scope not in self._restored:
                names, texts = self.snapshot.names, restored_definitions(self.snapshot.raw, scope)
                self._restored[scope] = {
                    names.replace(text, scope): names.replace(restored, scope)
                    for text, restored in texts.items()
                }
            return self._restored[scope]

    def builtin_rows(self, catalog: str) -> list[Row]:
        """Return PostgreSQL's own rows of a catalog."""
        with self._lock:
            if catalog not in self._builtin_rows:
                self._builtin_rows[catalog] = self.snapshot.builtin_rows([catalog])
            return self._builtin_rows[catalog]
