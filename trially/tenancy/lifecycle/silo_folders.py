"""Remember on this host where the files of silos were written, and find the folders again."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path

import orjson

from trially.config import current_settings
from trially.config.private_files import replace_file
from trially.tenancy.servers.administrator import EMBEDDED_DIRECTORY

INDEX = "silo-folders.json"
"""The file of the instance folder with the paths of the folders that silos were written to."""

SETTINGS_FILE = "settings.env"


def remember_folder(directory: Path) -> None:
    """Add a folder to those that this host remembers; drop those that do not exist any more."""
    known = {each for each in _remembered() if each.is_dir()} | {directory}
    replace_file(_index(), orjson.dumps(sorted(map(str, known))).decode())


def find_folders(slugs: Collection[str]) -> list[Path]:
    """Return the folders of silos of these slugs: remembered ones, and those in the instance."""
    return sorted({each for each in _candidates() if slug_of_folder(each) in slugs})


def slug_of_folder(directory: Path) -> str | None:
    """Return the slug of the silo in a folder, None if there is none."""
    try:
        text = (directory / SETTINGS_FILE).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    for line in text.splitlines():
        name, _, value = line.partition("=")
        if name == "TRIALLY_PINNED_TENANT":
            return value
    return None


def _candidates() -> Iterator[Path]:
    yield from _remembered()
    for parent, folders, names in os.walk(current_settings().instance):
        folders[:] = [each for each in folders if each != EMBEDDED_DIRECTORY]
        if SETTINGS_FILE in names:
            yield Path(parent).absolute()


def _remembered() -> list[Path]:
    try:
        return [Path(each) for each in orjson.loads(_index().read_bytes())]
    except FileNotFoundError:
        return []


def _index() -> Path:
    return current_settings().instance / INDEX
