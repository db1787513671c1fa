"""Create .venv and install the pinned requirements: `python3 tools/environment.py running`.

`running` is what `make run` needs, `development` also what the tests and checks need. It imports
only the standard library. Processes that start it at once wait for each other.
"""

from __future__ import annotations  # an older Python must reach the check of its version

import fcntl
import hashlib
import re
import subprocess
import sys
from collections import deque
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / ".venv"
LAST_LINES = 15

SUFFICIENT = {"running": ("running", "development"), "development": ("development",)}
"""The sets of requirements that contain what a set needs."""

ALONE = "barman"
"""What development needs too, and is installed without its dependencies."""


def main(name: str) -> str | None:
    """Install a set of requirements, and return what is wrong, or None."""
    if sys.version_info < (3, 11):  # noqa: UP036
        return "trially needs Python 3.11 or newer. Name one: `make run PYTHON=python3.11`."
    with Path(__file__).open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            show("Another process installs the requirements. Waiting for it …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        return None if any(map(is_installed, SUFFICIENT[name])) else install(name)


def is_installed(name: str) -> bool:
    """Return whether the present version of a set of requirements is installed."""
    stamp = stamp_of(name)
    if not stamp.exists():
        return False
    if not stamp.read_text():  # Earlier versions of the Makefile left an empty file.
        return stamp.stat().st_mtime >= requirements_of(name).stat().st_mtime
    return stamp.read_text() == digest_of(name)


def install(name: str) -> str | None:
    """Install a set, with a line of progress, and return what is wrong, or None."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        show("Creating .venv …")
        command = [sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)]
        if subprocess.run(command, check=False).returncode:  # noqa: S603
            return "Python could not create .venv. On Debian: apt install python3-venv"
    if not run_pip(python, requirements_of(name)):
        return "The requirements could not be installed, as said above."
    if name == "development" and not run_pip(python, requirements_of(ALONE), "--no-deps"):
        return "The requirements could not be installed, as said above."
    if name == "development" and not install_command(python):
        return "The command `trially` could not be installed, as said above."
    stamp_of(name).write_text(digest_of(name))
    return None


def run_pip(python: Path, requirements: Path, *options: str) -> bool:
    """Install requirements, and return whether pip succeeded. Print its last lines if not."""
    total = len(re.findall(r"^\S+==", requirements.read_text(), re.MULTILINE))
    show(f"Installing {total} packages of requirements/{requirements.name} into .venv …")
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check"]
    command += ["--progress-bar=off", "--require-hashes", *options]
    command += ["-r", str(requirements)]
    last: deque[str] = deque(maxlen=LAST_LINES)
    fetched = 0
    with subprocess.Popen(  # noqa: S603
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as pip:
        for line in pip.stdout or ():
            last.append(line.rstrip())
            fetched += line.startswith("Collecting ")
            is_writing = line.startswith("Installing collected")
            show_progress("writing …" if is_writing else f"{fetched} of {total} fetched")
    show_progress("")
    if pip.returncode:
        show("\n".join(last))
    return pip.returncode == 0


def install_command(python: Path) -> bool:
    """Install the command `trially`, which runs the code of this folder."""
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--no-build-isolation", "--editable", str(ROOT)]
    return subprocess.run(command, check=False).returncode == 0  # noqa: S603


def requirements_of(name: str) -> Path:
    """Return the file with the pinned requirements of a set."""
    return ROOT / "requirements" / f"{name}.txt"


def digest_of(name: str) -> str:
    """Return a digest of what is installed: the requirements, this Python's version, commands."""
    content = requirements_of(name).read_bytes() + repr(sys.version_info[:2]).encode()
    if name == "development":
        content += (ROOT / "pyproject.toml").read_bytes()
        content += requirements_of(ALONE).read_bytes()
    return hashlib.sha256(content).hexdigest()


def stamp_of(name: str) -> Path:
    """Return the file that says which version of a set is installed."""
    return ENVIRONMENT / (".installed" if name == "development" else f".installed-{name}")


def show(sentence: str) -> None:
    """Print a sentence at once."""
    print(sentence, flush=True)  # noqa: T201


def show_progress(text: str) -> None:
    """Replace the last line of a terminal. Print nothing elsewhere."""
    if sys.stdout.isatty():
        sys.stdout.write(f"\r\x1b[K{text}")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
