"""`python -m tools.docs_site` builds the documentation's site into build/guide/.

It exits with 1 if a link is broken. Diagrams need two npm packages, which are installed if npm is
there; without them, diagrams stay text. Nothing of the finished site needs the network.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
SITE = ROOT / "build" / "guide"
NPM_SECONDS = 120


def main(site: Path = SITE) -> int:
    """Build the site beside its place, and put it there when it is complete."""
    _install_scripts()
    site.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=site.parent, prefix="guide-") as temporary:
        built = Path(temporary) / "site"
        status = _build(built)
        if status == 0:
            if site.exists():
                site.rename(Path(temporary) / "former")
            built.rename(site)
    return status


def _install_scripts() -> None:
    """Install the npm packages of package-lock.json, unless they are there."""
    npm, installed = shutil.which("npm"), FOLDER / "node_modules" / ".package-lock.json"
    lock = FOLDER / "package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    if npm is None:
        sys.stderr.write("npm is missing, so diagrams stay text.\n")
        return
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    try:
        subprocess.run(command, cwd=FOLDER, check=True, timeout=NPM_SECONDS)  # noqa: S603
    except (subprocess.SubprocessError, OSError):
        sys.stderr.write("npm cannot install its packages, so diagrams stay text.\n")


def _build(site: Path) -> int:
    # Not --quiet: it would hide warnings from --strict too.
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    command += ["--config-file", str(FOLDER / "mkdocs.yml"), "--site-dir", str(site)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(  # noqa: S603
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if built.returncode != 0:
        sys.stderr.write(built.stdout + built.stderr)
    return built.returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else SITE))
