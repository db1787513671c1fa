"""Builds the documentation's site if it is missing or out of date."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

SOURCES = ("docs", "tools/docs_site")
LINKED = ("*.md", "benchmarks/*.md", "clients/*/*.md", "deploy/*")
BUILD_SECONDS = 180
TOOL = "material"
"""The package that only an installation with MkDocs has."""


@dataclass(frozen=True)
class BuildFailure:
    """Why there is no site to show."""

    sentence: str
    output: str = ""


class Builder:
    """Builds the site of a copy of the repository, one build at a time."""

    def __init__(self, root: Path, site: Path) -> None:
        self.root = root
        self.site = site
        self._one_build = threading.Lock()

    def build_if_needed(self) -> BuildFailure | None:
        """Build the site if a source is newer. Return why there is none to show, or None.

        A site that is out of date is shown if MkDocs is not installed.
        """
        if self._is_current():
            return None
        if find_spec(TOOL) is None:
            return None if self._is_built() else BuildFailure("MkDocs is not installed.")
        with self._one_build:
            return None if self._is_current() else self._build()

    def _build(self) -> BuildFailure | None:
        command = [sys.executable, "-m", "tools.docs_site", str(self.site)]
        try:
            built = subprocess.run(  # noqa: S603
                command,
                cwd=self.root,
                capture_output=True,
                text=True,
                check=False,
                timeout=BUILD_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return BuildFailure(f"The site was not built within {BUILD_SECONDS} seconds.")
        if built.returncode != 0:
            return BuildFailure("The site could not be built.", built.stdout + built.stderr)
        return None

    def _is_built(self) -> bool:
        return (self.site / "index.html").exists()

    def _is_current(self) -> bool:
        """Return whether the site is newer than each of its sources."""
        if not self._is_built():
            return False
        built_at = (self.site / "index.html").stat().st_mtime
        return all(path.stat().st_mtime <= built_at for path in self._sources())

    def _sources(self) -> Iterator[Path]:
        for folder in SOURCES:
            for path in (self.root / folder).rglob("*"):
                if "node_modules" not in path.parts and "__pycache__" not in path.parts:
                    yield path
        for pattern in LINKED:
            yield from self.root.glob(pattern)
