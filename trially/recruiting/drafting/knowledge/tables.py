"""Tables of names and codes, written as text: an entry, and its names on the lines below.

```
type_2_diabetes = E11; 44054006
    type 2 diabetes | t2dm
```
"""

from collections.abc import Iterator
from typing import NamedTuple

_INDENT = " " * 4


class Entry(NamedTuple):
    """An entry of a table."""

    key: str
    cells: tuple[str, ...]
    """What follows the key, between semicolons."""
    names: tuple[str, ...]


def read_table(text: str) -> Iterator[Entry]:
    """Yield the entries of a table.

    Lines with names are indented by four spaces. A line that is indented by two goes on with the
    line of the key.
    """
    heads: list[str] = []
    names: list[str] = []
    for line in filter(None, text.splitlines()):
        if line.startswith(_INDENT):
            names[-1] += f" {line.strip()}"
        elif line.startswith(" "):
            heads[-1] += f" {line.strip()}"
        else:
            heads.append(line)
            names.append("")
    for head, named in zip(heads, names, strict=True):
        key, _, rest = head.partition(" = ")
        cells = tuple(cell.strip() for cell in rest.split(";"))
        yield Entry(key, cells, tuple(filter(None, map(str.strip, named.split("|")))))
