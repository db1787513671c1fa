"""Compares the output that a page shows with the output of a command."""

import re
from fnmatch import fnmatchcase

_LOOSE = [
    (re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]"), ""),
    (re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+"), "<token>"),
    (re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b"), "<id>"),
    (re.compile(r"(?<![0-9a-z])(?=[0-9a-f]*\d)[0-9a-f]{12,}(?![0-9a-z])"), "<id>"),
    (
        re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"),
        "<time>",
    ),
    (re.compile(r"\d{4}-\d\d-\d\d"), "<date>"),
    (re.compile(r"\d+(?:[.,]\d+)*"), "<n>"),
    (re.compile(r"\s+"), " "),
]
ANYTHING = "…"


def loosen(line: str) -> str:
    """Return a line in which ids, times, figures, tokens and runs of spaces are alike."""
    for pattern, replacement in _LOOSE:
        line = pattern.sub(replacement, line)
    return line.strip()


def missing_lines(expected: list[str], output: str) -> list[str]:
    """Return the lines of a page that the output lacks; the output may have more lines.

    Lines are looked for in the order of the page. `…` in a line stands for any text.
    """
    printed = iter([loosen(line) for line in output.splitlines()])
    wanted = [loosen(line) for line in expected]
    return [
        line
        for line in wanted
        if line not in ("", ANYTHING) and not any(_matches(line, other) for other in printed)
    ]


def _matches(wanted: str, printed: str) -> bool:
    pattern = re.sub(r"([*?\[])", r"[\1]", wanted).replace(ANYTHING, "*")
    return fnmatchcase(printed, pattern)
