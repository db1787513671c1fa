"""Run programs, and measure their time, their processor time and their memory."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import cpu_seconds

POLL_SECONDS = 0.005


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
        before, begun, peak = cpu_seconds(self._postmaster_id), time.monotonic(), 0.0
        with tempfile.TemporaryFile("w+") as output:
            process = subprocess.Popen(
                command, env=environment, stdout=output, stderr=subprocess.STDOUT
            )
            ended = 0
            while not ended:
                peak = max(peak, _peak_megabytes(process.pid))
                time.sleep(POLL_SECONDS)
                ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            seconds = time.monotonic() - begun
            process.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0)
            printed = output.read()
        if process.returncode:
            raise SystemExit(f"{' '.join(map(str, command))}: {printed}")
        return Measured(
            seconds,
            usage.ru_utime + usage.ru_stime,
            cpu_seconds(self._postmaster_id) - before,
            peak,
            printed,
        )


def _peak_megabytes(process_id: int) -> float:
    """Return the most memory that a living process had; 0 if it has ended.

    The usage that `wait4` returns begins with the memory of the parent.
    """
    try:
        status = Path(f"/proc/{process_id}/status").read_text()
    except FileNotFoundError:
        return 0
    kilobytes = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return float(kilobytes[0]) / 1024 if kilobytes else 0
