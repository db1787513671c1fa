"""Run projects of Node.js, in copies with the packages that they need."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def require_node() -> None:
    """Skip the test on a machine without Node.js."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"The test needs {program} of Node.js, which is not installed.")


def install_copy(project: Path, parent: Path) -> Path:
    """Copy a project into a new folder of `parent`, and install its packages."""
    require_node()
    folder = parent / project.name
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
    run_in(folder, "npm", "ci", "--no-audit", "--no-fund")
    return folder


def run_in(folder: Path, *command: str | Path, seconds: float = 120, **environment: str) -> str:
    """Run a command that must succeed, and return its standard output."""
    finished = start_in(folder, *command, seconds=seconds, **environment)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def start_in(
    folder: Path, *command: str | Path, seconds: float = 120, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command until it ends."""
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )
