"""Report variables that look like settings and are none: a misspelt setting has no effect."""

import difflib
import logging
from collections.abc import Collection, Iterable

from trially.config.errors import SettingsError

CLOSE = 0.75
"""Similarity from which a name counts as a misspelling. `CORS_ORIGIN` has 0.96, `TOKEN` 0.63."""

BEGINNING = "TRI"
"""Only variables that begin so are compared, in any case."""

log = logging.getLogger(__name__)


def report_unknown(
    names: Iterable[str], known: Collection[str], prefix: str, *, development: bool
) -> None:
    """Warn of each unknown name, with the setting that it resembles.

    Raises `SettingsError` for misspelt settings in production: an operator relies on them.
    """
    problems = []
    for name in sorted(set(names) - set(known)):
        if not name.upper().startswith(BEGINNING):
            continue
        closest = _closest(name, known, prefix)
        if closest is not None:
            problems.append(f"{name} is not a setting. Did you mean {closest}?")
        elif name.startswith(prefix):
            log.warning("%s is not a setting. docs/settings.md lists all settings.", name)
    if problems and not development:
        raise SettingsError(" ".join(problems))
    for problem in problems:
        log.warning("%s", problem)


def _closest(name: str, known: Collection[str], prefix: str) -> str | None:
    """Return the setting that a name is a misspelling of, or None."""
    if not name.startswith(prefix):
        # The prefix itself may be misspelt; it must not make two short names alike.
        found = difflib.get_close_matches(name.upper(), known, 1, cutoff=0.9)
        return found[0] if found else None
    endings = {each.removeprefix(prefix): each for each in known}
    ending = name.removeprefix(prefix).upper()
    found = difflib.get_close_matches(ending, endings, 1, cutoff=CLOSE)
    return endings[found[0]] if found else None
