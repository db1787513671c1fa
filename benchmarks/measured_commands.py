"""Run programs, and measure their time, their processor time and their memory."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import cpu_seconds


@dataclass(frozen=True)
class Measured:
    """What one program took."""

    seconds: float
    cpu_seconds: float
    """Of the program."""

    postgres_cpu_seconds: float
    peak_megabytes: float
    """The most memory that the program had at a time."""

    printed: str


class Programs:
    """Runs programs beside a PostgreSQL server."""

    def __init__(self, environment: Mapping[str, str], postmaster_id: int) -> None:
        self._environment, self._postmaster_id = environment, postmaster_id

    def flask(self, *words: str) -> Measured:
        """Run a command of trially."""
        return self.run([sys.executable, "-m", "flask", *words], self._environment)

    def run(self, command: Sequence[Path | str], environment: Mapping[str, str]) -> Measured:
        """Run a program. Its failure ends the benchmark."""
        before, begun = cpu_seconds(self._postmaster_id), time.monotonic()
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert process.stdout is not None
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - begun
        if process.returncode:
            raise SystemExit(f"{' '.join(map(str, command))}: {printed}")
        return Measured(
            seconds,
            usage.ru_utime + usage.ru_stime,
            cpu_seconds(self._postmaster_id) - before,
            usage.ru_maxrss / 1024,
            printed,
        )
