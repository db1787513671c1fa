"""Write small files of the instance so that no process reads an incomplete one."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def create_file(path: Path, text: str) -> None:
    """Create a file that only its owner can read, unless it exists.

    If several processes create it at once, the first to link its file into place wins.
    """
    temporary = _write_temporary(path, text)
    try:
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink()


def replace_file(path: Path, text: str) -> None:
    """Write a file that only its owner can read, in place of an existing one."""
    _write_temporary(path, text).replace(path)


def _write_temporary(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    # mkstemp creates a file that only its owner can read.
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return Path(name)
