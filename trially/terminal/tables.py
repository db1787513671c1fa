"""Tables that never cut or wrap an id, however narrow the terminal is.

If a table is too wide for the terminal, columns of free text are shortened, and then less
important columns are left out, which a note says. If that is not enough, each row is printed as a
record, with a line for each value. In a pipe, every table has its full width.
"""

import shutil
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import click

from trially.terminal.printing import (
    format_value,
    json_option,
    print_json,
    print_record,
    uses_colour,
)

GAP = "  "
SHORTEST_TEXT = 12
"""Columns of free text are not shortened below this width."""

WIDE, COLUMNS = "trially.wide", "trially.columns"
"""Keys in `Context.meta` of the options `--wide` and `--columns`."""

Row = Mapping[str, Any]


def table_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--json`, `--wide` and `--columns` to a command that prints a table."""
    wide = click.option(
        "--wide",
        is_flag=True,
        expose_value=False,
        callback=lambda ctx, _option, value: ctx.meta.__setitem__(WIDE, value),
        help="Print whole values, also if the terminal is too narrow.",
    )
    columns = click.option(
        "--columns",
        metavar="NAMES",
        expose_value=False,
        callback=lambda ctx, _option, value: ctx.meta.__setitem__(COLUMNS, value),
        help="Print these columns, with commas between their names. JSON shows all names.",
    )
    return wide(columns(json_option(command)))


def print_items(
    items: Sequence[Row],
    names: Sequence[str],
    *,
    as_json: bool,
    texts: Collection[str] = (),
    optional: Sequence[str] = (),
) -> None:
    """Print several items as a JSON list, or as a table with the columns `names`.

    `texts` are the columns of free text, which may be shortened. `optional` are the columns that a
    narrow terminal may lack, the least important last.
    """
    if as_json:
        print_json(list(items))
        return
    ctx = click.get_current_context(silent=True)
    meta = ctx.meta if ctx else {}
    if (requested := meta.get(COLUMNS)) is not None:
        names, optional = _chosen(requested, items, names), ()
    columns = [Column.of(name, items, is_text=name in texts) for name in names]
    if not sys.stdout.isatty() or meta.get(WIDE):
        _print_table(columns)
        return
    limit = shutil.get_terminal_size().columns
    for kept in range(len(optional), -1, -1):
        left_out = optional[kept:]
        fitted = _fit([each for each in columns if each.name not in left_out], limit)
        if fitted is not None:
            _print_table(fitted)
            if left_out:
                click.echo(f"Not shown: {', '.join(left_out)}. --wide shows all.", err=True)
            return
    _print_records(columns)


@dataclass(frozen=True)
class Column:
    """A column of a table, as text."""

    name: str
    cells: Sequence[str]
    width: int
    is_text: bool

    @classmethod
    def of(cls, name: str, items: Sequence[Row], *, is_text: bool) -> "Column":
        """Return the column with this name, as wide as its widest cell."""
        cells = [format_value(item[name]) for item in items]
        return cls(name, cells, max(map(_width, [name, *cells])), is_text)


def _chosen(requested: str | None, items: Sequence[Row], names: Sequence[str]) -> Sequence[str]:
    """Return the columns that `--columns` asks for, or raise `UsageError`."""
    if requested is None:
        return names
    chosen = [name.strip() for name in requested.split(",") if name.strip()]
    known = list(items[0]) if items else list(dict.fromkeys([*names, *chosen]))
    for name in chosen:
        if name not in known:
            raise click.BadParameter(
                f"There is no column {name!r}. Choose from {', '.join(known)}.",
                param_hint="--columns",
            )
    if not chosen:
        raise click.BadParameter("Name at least one column.", param_hint="--columns")
    return chosen


def _fit(columns: Sequence[Column], limit: int) -> Sequence[Column] | None:
    """Return the columns with their texts shortened to fit into `limit`; None if they cannot."""
    fitted = list(columns)
    while _total(fitted) > limit:
        widths = [each.width if each.is_text else 0 for each in fitted]
        widest = max(widths, default=0)
        if widest <= SHORTEST_TEXT:
            return None
        position = widths.index(widest)
        fitted[position] = replace(fitted[position], width=widest - 1)
    return fitted


def _print_table(columns: Sequence[Column]) -> None:
    header = _line((each.name, each.width) for each in columns)
    is_bold = uses_colour(is_terminal=sys.stdout.isatty())
    click.echo(click.style(header, bold=True) if is_bold else header)
    for row in zip(*(each.cells for each in columns), strict=True):
        click.echo(_line(zip(row, (each.width for each in columns), strict=True)))


def _print_records(columns: Sequence[Column]) -> None:
    for number, row in enumerate(zip(*(each.cells for each in columns), strict=True)):
        if number:
            click.echo()
        names = (each.name for each in columns)
        print_record(dict(zip(names, row, strict=True)), as_json=False)


def _line(cells: Iterable[tuple[str, int]]) -> str:
    return GAP.join(_padded(text, width) for text, width in cells).rstrip()


def _padded(text: str, width: int) -> str:
    from rich.cells import set_cell_size

    if _width(text) > width:
        return set_cell_size(text, width - 1) + "…"
    return text + " " * (width - _width(text))


def _total(columns: Sequence[Column]) -> int:
    return sum(each.width for each in columns) + len(GAP) * (len(columns) - 1)


def _width(text: str) -> int:
    """Return the number of cells that a text takes in a terminal."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)
