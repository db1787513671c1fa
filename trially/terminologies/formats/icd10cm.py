"""ICD-10-CM: the order file of the CDC, or a table of codes with their parents."""

import re
from collections.abc import Sequence

from trially.terminologies.building import Builder
from trially.terminologies.reading import InputFile
from trially.terminologies.systems import ICD10CM
from trially.value_sets.codes import is_code

CATEGORY = 3
"""Characters of a category. A point follows it in longer codes."""

_ORDER_LINE = re.compile(r"\d{5} ([A-Z0-9]{3,7}) +([01]) .")
_LONG_NAME = 77
_YEAR = re.compile(r"(?:20)\d\d")


def read_icd10cm(files: Sequence[InputFile], builder: Builder) -> str | None:
    """Read each file in the format that its first line shows."""
    version = None
    for file in files:
        header = file.header("\t")
        if {"code", "description", "parent"} <= set(header):
            _read_hierarchy(file, builder)
        elif _ORDER_LINE.match(header[0]):
            _read_order(file, builder)
        else:
            file.refuse(
                "This is neither the CDC's order file (icd10cm_order_2026.txt) nor a table with the"
                " columns code, description and parent."
            )
        found = _YEAR.search(file.path.name)
        version = found.group() if found else version
    return version


def with_point(code: str) -> str:
    """Return a code with the point that follows its category."""
    return code if len(code) <= CATEGORY else f"{code[:CATEGORY]}.{code[CATEGORY:]}"


def _read_hierarchy(file: InputFile, builder: Builder) -> None:
    for code, display, parent in file.table("\t", "code", "description", "parent"):
        _check(file, code)
        builder.add_concept(code, display)
        if parent:
            builder.add_edge(code, parent)


def _read_order(file: InputFile, builder: Builder) -> None:
    """Read lines of fixed columns. A code is below the longest code that it begins with."""
    above: list[str] = []
    for line in file.lines():
        match = _ORDER_LINE.match(line)
        if match is None or len(line) <= _LONG_NAME:
            file.refuse("The line has not the columns of the CDC's order file.")
        bare = match.group(1)
        code = with_point(bare)
        _check(file, code)
        while above and not bare.startswith(above[-1]):
            above.pop()
        builder.add_concept(code, line[_LONG_NAME:].strip())
        if above:
            builder.add_edge(code, with_point(above[-1]))
        above.append(bare)


def _check(file: InputFile, code: str) -> None:
    if not is_code(code, ICD10CM):
        file.refuse(f"{code!r} has not the form of an ICD-10-CM code, such as E11.9.")
