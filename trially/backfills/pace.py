"""How fast rows are visited, and how long the rest takes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock


@dataclass
class Pace:
    """The rows of many tenants, whose threads write it.

    A tenant's rows are counted when it begins. Tenants that have not begun are taken to have as
    many rows as the others have on average.
    """

    waiting: int
    """Tenants that have not begun."""

    rows: int = 0
    """Rows that were visited."""

    _left: int = 0
    """Rows of the tenants that have begun and not ended, without those that were visited."""

    _expected: int = 0
    _counted: int = 0
    _began: float = field(default_factory=time.monotonic)
    _lock: Lock = field(default_factory=Lock)

    @contextmanager
    def tenant(self) -> Iterator["TenantPace"]:
        """Count a tenant as begun while the block runs, and as ended afterwards."""
        with self._lock:
            self.waiting -= 1
        tenant = TenantPace(self)
        try:
            yield tenant
        finally:
            self._change(left=-tenant.left)

    @property
    def seconds(self) -> float:
        """For how long rows have been visited."""
        return time.monotonic() - self._began

    @property
    def rate(self) -> float:
        """Rows in a second, on average."""
        return self.rows / max(self.seconds, 0.001)

    @property
    def seconds_left(self) -> float | None:
        """About how long the rest takes. None before the first row was visited."""
        if not self.rows:
            return None
        mean = self._expected / max(self._counted, 1)
        return (max(self._left, 0) + self.waiting * mean) / self.rate

    def expect(self, rows: int) -> None:
        """Count the rows of one more tenant."""
        with self._lock:
            self._expected += rows
            self._counted += 1
        self._change(left=rows)

    def _change(self, *, left: int, visited: int = 0) -> None:
        with self._lock:
            self._left += left
            self.rows += visited

    def visit(self, rows: int) -> None:
        """Count rows as visited."""
        self._change(left=-rows, visited=rows)


@dataclass
class TenantPace:
    """The rows of one tenant."""

    _pace: Pace
    left: int = 0

    def expect(self, rows: int) -> None:
        """Count the rows that the tenant has to visit."""
        self.left = rows
        self._pace.expect(rows)

    def visit(self, rows: int) -> None:
        """Count rows as visited."""
        self.left -= rows
        self._pace.visit(rows)
