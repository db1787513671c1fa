"""The peers' own virtual environment, which is built when the benchmark first needs it."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

from trially.config import ROOT

FOLDER = Path(__file__).parent / ".venv"
REQUIREMENTS = Path(__file__).parent / "requirements.txt"
PYTHON = FOLDER / "bin" / "python"


class EnvironmentMissingError(Exception):
    """The environment could not be built; the message says why."""


def build_environment() -> None:
    """Install the pinned requirements, unless they are. Raises `EnvironmentMissingError`."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    stamp = FOLDER / "installed"
    if stamp.exists() and stamp.read_text() == digest:
        return
    print(f"Installing the peers into {FOLDER} …", file=sys.stderr, flush=True)
    _run([sys.executable, "-m", "venv", "--clear", str(FOLDER)])
    install = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*install, "--require-hashes", "--requirement", str(REQUIREMENTS)])
    stamp.write_text(digest)


def versions_of(packages: tuple[str, ...]) -> list[str]:
    """Return each package's name with the version that is pinned."""
    pinned = dict(re.findall(r"^([\w-]+)==(\S+)", REQUIREMENTS.read_text(), re.MULTILINE))
    return [f"{package} {pinned[package]}" for package in packages]


def _run(command: list[str]) -> None:
    finished = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if finished.returncode:
        last = (finished.stderr.strip() or "no message").splitlines()[-1]
        raise EnvironmentMissingError(f"their environment could not be built: {last}")
