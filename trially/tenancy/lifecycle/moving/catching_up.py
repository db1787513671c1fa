"""Apply the source's changes until few are missing and all rows were compared."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

from trially.tenancy.lifecycle.moving.applying import Applier
from trially.tenancy.lifecycle.moving.errors import BusyTenantError, MoveError
from trially.tenancy.lifecycle.moving.messages import Note
from trially.tenancy.lifecycle.moving.retained_wal import WalLimit, retained_wal
from trially.tenancy.lifecycle.moving.sides import SideSession
from trially.tenancy.lifecycle.moving.stream import Stream, mark

log = logging.getLogger(__name__)

BATCH = 5_000
"""At most so many changed rows are written at a time."""

MOST_UNCOMPARED = 1_000
"""At most so many changed rows are left to be compared while requests wait."""

ALWAYS_IN_PAUSE = 200
"""So many changed rows are written while requests wait, however short the pause may be."""

CHECK_SECONDS = 5.0
"""How often the retained WAL is looked at."""


class TooMuchWalError(MoveError):
    """The source retains too much WAL for the move."""


@dataclass
class Follower:
    """Follows the source's changes, and writes them to the target."""

    source: SideSession
    stream: Stream
    applier: Applier
    slot: str
    max_wal_bytes: int
    checked_at: float = 0.0

    def collect(self, seconds: float, most_rows: int | None = None) -> bytes | None:
        """Apply what arrives within `seconds`. Return the content of a mark, if one arrives.

        Raises `BusyTenantError` before more than `most_rows` rows are written.
        """
        for item in self.stream.read(seconds):
            if isinstance(item, Note):
                self._write(most_rows)
                return item.content
            self.applier.add(item)
            if self.applier.waiting_rows >= BATCH:
                break
        self._write(most_rows)
        self.stream.confirm()
        self._check_wal()
        return None

    def drain(self, give_up: Callable[[], None], most_rows: int | None = None) -> float:
        """Apply all commits so far. Return how many seconds that took.

        `give_up` is called again and again, and raises when it takes too long. `most_rows` is that
        of `collect`.
        """
        began, content = time.monotonic(), uuid4().hex
        mark(self.source.raw, content)
        while self.collect(0.05, most_rows) != content.encode():
            give_up()
        return time.monotonic() - began

    def follow(
        self,
        give_up: Callable[[], None],
        longest_drain: float,
        most_uncompared: int = MOST_UNCOMPARED,
    ) -> None:
        """Apply changes until few are missing, and the rows that changed are compared.

        Then a drain takes `longest_drain` seconds at most, and `most_uncompared` rows remain.
        """
        while True:
            lag = self.drain(give_up)
            self.applier.compare(self.source)
            if lag <= longest_drain and self.applier.uncompared_rows <= most_uncompared:
                return

    def _write(self, most_rows: int | None) -> None:
        if most_rows is not None and self.applier.waiting_rows > most_rows:
            raise BusyTenantError(
                f"{self.applier.waiting_rows:,} rows had changed just before the switch, too"
                " many to write within --max-pause. The tenant is served as before."
            )
        self.applier.write()

    def _check_wal(self) -> None:
        """Raise `TooMuchWalError` if the slot retains more WAL than the move may."""
        if time.monotonic() - self.checked_at < CHECK_SECONDS:
            return
        self.checked_at = time.monotonic()
        retained = retained_wal(self.source.raw, self.slot)
        limit = WalLimit(self.max_wal_bytes)
        if limit.is_alarming(retained):
            log.warning(
                "The source retains %d MiB of WAL for the move. It ends at %d MiB.",
                retained // 2**20,
                limit.abort_bytes // 2**20,
            )
        if limit.is_reached(retained):
            raise TooMuchWalError(
                f"The source retains {retained // 2**20} MiB of WAL for the move, more than"
                f" {self.max_wal_bytes // 2**20} MiB. Move at a quieter time, or allow more with"
                " --max-wal."
            )
