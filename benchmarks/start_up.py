"""Measure the start of a worker and of commands: `python -m benchmarks.start_up`, one line.

User and system time of a process and its children, and the wall time, the medians of five runs
after one that is not counted, because it compiles modules. `import wsgi` is what a worker of
gunicorn does at its start; `create_app` is the part of it after its imports. A temporary
installation serves them, with the settings of production.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from statistics import median

from benchmarks.installation import installation

RUNS = 5
FLASK = (sys.executable, "-m", "flask")
CREATE_APP = """
import gc, time
gc.disable()
from trially import analysts, api, application, platform
list(api.find_blueprints()), list(api.find_blueprints((platform, analysts)))
cpu, wall = time.process_time(), time.perf_counter()
application.create_app()
print(time.process_time() - cpu, time.perf_counter() - wall)
"""
COMMANDS: Mapping[str, Sequence[str]] = {
    "import flask": (sys.executable, "-c", "import flask"),
    "import wsgi": (sys.executable, "-c", "import wsgi"),
    "flask --help": (*FLASK, "--help"),
    "flask tenants list": (*FLASK, "tenants", "list"),
    "flask tenants erased": (*FLASK, "tenants", "erased"),
    "flask doctor --help": (*FLASK, "doctor", "--help"),
    "flask jobs list --help": (*FLASK, "jobs", "list", "--help"),
    "flask match explain --help": (*FLASK, "match", "explain", "--help"),
    "flask imports fhir --help": (*FLASK, "imports", "fhir", "--help"),
    "flask tenants dossier --help": (*FLASK, "tenants", "dossier", "--help"),
}


def cpu_and_wall(command: Sequence[str], environment: Mapping[str, str]) -> tuple[float, float]:
    """Return the CPU time and the wall time of one run, in seconds."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=environment, timeout=120)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def create_app_alone(environment: Mapping[str, str]) -> tuple[float, float]:
    """Return the CPU time and the wall time of `create_app` when all modules are imported."""
    done = subprocess.run(
        [sys.executable, "-c", CREATE_APP],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )
    cpu, wall = map(float, done.stdout.split())
    return cpu, wall


def measure(environment: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """Return the medians of all commands, in seconds, by name: `cpu` and `wall`."""
    measured = {name: [cpu_and_wall(one, environment)] for name, one in COMMANDS.items()}
    measured["create_app"] = [create_app_alone(environment)]
    for _ in range(RUNS):  # In turns, so that other processes slow all of them down alike.
        for name, command in COMMANDS.items():
            measured[name].append(cpu_and_wall(command, environment))
        measured["create_app"].append(create_app_alone(environment))
    medians = {}
    for name, runs in measured.items():
        cpus, walls = zip(*runs[1:], strict=True)
        medians[name] = {"cpu": round(median(cpus), 3), "wall": round(median(walls), 3)}
    return medians


def main() -> None:
    """Print the medians as one line, or as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    with installation() as installed:
        environment = {**os.environ, **installed.environment, "TRIALLY_ISSUERS": "https://a.test/"}
        del environment["TRIALLY_DEVELOPMENT"]
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        found = measure(environment)
    if as_json:
        print(json.dumps(found))
    else:
        print(
            "; ".join(
                f"{name}: {each['cpu']:.2f} s CPU, {each['wall']:.2f} s wall"
                for name, each in found.items()
            )
        )


if __name__ == "__main__":
    main()
