"""Move a tenant by its command, and measure the processor time of the mover."""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Moved:
    """One move: what its command printed, and what it took. Times are in seconds."""

    name: str
    """From where to where."""

    begun: float
    """The monotonic clock at its beginning."""

    ended: float
    cpu_seconds: float
    """Of the mover's process alone, not of PostgreSQL."""

    printed: dict[str, Any]
    """`pause_ms`, `rows`, `bytes`, `copy_seconds`, `seconds`, and more."""

    @property
    def seconds(self) -> float:
        return self.ended - self.begun


class Mover:
    """Runs commands of an installation in processes of their own."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment

    def move(
        self, name: str, slug: str, *, tier: str | None, server: str | None, options: Sequence[str]
    ) -> Moved:
        """Move a tenant to a tier or server, or both."""
        words = ["tenants", "move", slug]
        words += ["--to-tier", tier] if tier else []
        words += ["--to-server", server] if server else []
        return self._measure(name, [*words, *options])

    def move_back(self, name: str, slug: str, options: Sequence[str]) -> Moved:
        """Move a tenant to the placement that it left last."""
        return self._measure(name, ["tenants", "move-back", slug, *options])

    def run(self, *words: str) -> str:
        """Run a command, and return what it printed. Its failure ends the benchmark."""
        return self._run(list(words))[0]

    def _measure(self, name: str, words: list[str]) -> Moved:
        begun = time.monotonic()
        printed, cpu_seconds = self._run([*words, "--json"])
        return Moved(name, begun, time.monotonic(), cpu_seconds, json.loads(printed))

    def _run(self, words: list[str]) -> tuple[str, float]:
        before = _cpu_of_children()
        finished = subprocess.run(
            [sys.executable, "-m", "flask", *words],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if finished.returncode:
            raise SystemExit(f"flask {words[0]} {words[1]}: {finished.stdout}{finished.stderr}")
        return finished.stdout, _cpu_of_children() - before


def _cpu_of_children() -> float:
    """Return the processor time of all children of this process that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
