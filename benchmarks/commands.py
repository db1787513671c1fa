"""Measure the CPU time of commands: `python -m benchmarks.commands`, one line.

User and system time of the process and its children, the least of several runs, beside that of
`import flask` and beside the wall time. The installation is that of the environment.
"""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence

RUNS = 7
FLASK = (sys.executable, "-m", "flask")
MEASURED = {
    "import flask": (sys.executable, "-c", "import flask"),
    "flask --help": (*FLASK, "--help"),
    "flask tenants list": (*FLASK, "tenants", "list"),
}


def cpu_and_wall(command: Sequence[str]) -> tuple[float, float]:
    """Return the CPU time and the wall time of one run, in seconds."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=os.environ, timeout=120)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def main() -> None:
    """Print the least CPU time of each command, with the least wall time."""
    figures = []
    for name, command in MEASURED.items():
        cpu_and_wall(command)  # The first run may compile modules and start the server.
        cpus, walls = zip(*(cpu_and_wall(command) for _ in range(RUNS)), strict=True)
        figures.append(f"{name}: {min(cpus):.2f} s CPU, {min(walls):.2f} s wall")
    print("; ".join(figures))


if __name__ == "__main__":
    main()
