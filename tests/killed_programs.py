"""Run programs that kill themselves, beside the app of the tests."""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from trially.config import ROOT, Settings


def run_killed(program: Path, lines: Iterable[str], settings: Settings, *, seconds: int) -> None:
    """Run a program of the tests on the installation of the tests, with lines of input."""
    environment = {name: value for name, value in os.environ.items() if "TRIALLY" not in name}
    environment |= {
        "TRIALLY_DEVELOPMENT": "1",
        "TRIALLY_INSTANCE": str(settings.instance),
        "TRIALLY_SECRET_KEY": settings.secret_key,
        "TRIALLY_EMBEDDED_SETTINGS": ",".join(
            f"{name}={value}" for name, value in settings.embedded_settings.items()
        ),
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(Path(__file__).parent))),
    }
    subprocess.run(
        [sys.executable, program],
        input="\n".join(lines),
        text=True,
        env=environment,
        check=True,
        timeout=seconds,
    )
