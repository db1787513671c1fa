"""Count what an export has written, on standard error."""

import sys
import time
from typing import Self

import click

SECONDS = 0.5


class Counter:
    """A line that counts at a terminal; nothing elsewhere."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr.isatty()
        self._count = 0
        self._next = 0.0

    def __enter__(self) -> Self:
        """Begin to count."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the line."""
        if self._is_shown and self._count:
            click.echo(err=True)

    def count(self, number: int) -> None:
        """Count so many more."""
        self._count += number
        if self._is_shown and time.monotonic() > self._next:
            self._next = time.monotonic() + SECONDS
            click.echo(f"\r\033[K{self._count:,} written", err=True, nl=False)
