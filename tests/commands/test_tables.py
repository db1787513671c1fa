"""Tables show every id as a whole, at any width."""

import datetime as dt
import re
import sys
from typing import Any
from uuid import UUID

import click
import pytest
from click.testing import CliRunner

from trially.terminal import plural, print_items, tables
from trially.terminal.printing import format_value

ID = UUID("01a2141e-6f0c-7d32-a7a8-24158b55e0aa")
ROWS = [
    {
        "id": ID,
        "slug": "a-slug-that-is-forty-characters-long-yes",
        "name": "Lakeside Health Partners of the Upper Midwest",
        "tier": "dedicated_database",
        "at": dt.datetime(2026, 11, 25, 19, 49, 11, 420130, dt.timezone(dt.timedelta(hours=1))),
    },
    {"id": ID, "slug": "b", "name": "漢字の病院", "tier": "pooled_rows", "at": None},
]
NAMES = ("id", "slug", "name", "tier", "at")


def show(
    monkeypatch: pytest.MonkeyPatch, width: int | None, *arguments: str, rows: Any = ROWS
) -> Any:
    """Print the rows at a terminal of a width, or into a pipe."""

    @click.command()
    @tables.table_options
    def command(*, as_json: bool) -> None:
        with monkeypatch.context() as patch:
            if width is not None:
                patch.setattr(type(sys.stdout), "isatty", lambda _: True, raising=False)
                patch.setattr(tables.shutil, "get_terminal_size", lambda: _Size(width))
            print_items(rows, NAMES, as_json=as_json, texts=("name",), optional=("tier", "at"))

    return CliRunner().invoke(command, arguments, color=True)


class _Size:
    def __init__(self, columns: int) -> None:
        self.columns = columns


@pytest.mark.parametrize("width", [1, 20, 39, 60, 80, 81, 100, 120, 140, 160, 200])
def test_ids_and_slugs_are_whole_at_any_width(monkeypatch: Any, width: int) -> None:
    result = show(monkeypatch, width)
    lines = click.unstyle(result.stdout).splitlines()

    assert result.exit_code == 0, result.output
    assert sum(str(ID) in line for line in lines) == 2
    assert sum(ROWS[0]["slug"] in line for line in lines) == 1
    if lines[0].split()[:2] == ["id", "slug"]:
        assert max(map(tables._width, lines)) <= width
    else:
        assert lines[0].split() == ["id", str(ID)]
        assert width < 92  # id, slug and a shortened name


def test_a_narrow_terminal_says_what_it_leaves_out(monkeypatch: Any) -> None:
    result = show(monkeypatch, 100)

    assert "tier" not in result.stdout
    assert result.stderr == "Not shown: tier, at. --wide shows all.\n"
    assert "Midwest" in show(monkeypatch, 100, "--wide").stdout


@pytest.mark.parametrize("no_color", ["", "1"])
def test_no_color_leaves_no_escape(monkeypatch: Any, no_color: str) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)

    assert ("\033" in show(monkeypatch, 200).stdout) is (no_color == "")


def test_a_pipe_gets_whole_lines(monkeypatch: Any) -> None:
    lines = show(monkeypatch, None).stdout.splitlines()

    assert len(lines) == 3
    assert "Lakeside Health Partners of the Upper Midwest" in lines[1]
    assert "2026-11-25 18:49:11Z" in lines[1]
    assert "\033" not in lines[0]


def test_columns_are_chosen(monkeypatch: Any) -> None:
    chosen = show(monkeypatch, 20, "--columns", "slug, tier")
    wrong = show(monkeypatch, None, "--columns", "slug,teir")

    assert re.search(r"^slug +b\ntier +pooled_rows$", chosen.stdout, re.MULTILINE)
    assert show(monkeypatch, None, "--columns", "tier").stdout.split() == [
        *("tier", "dedicated_database", "pooled_rows")
    ]
    assert (wrong.exit_code, "There is no column 'teir'" in wrong.output) == (2, True)
    assert show(monkeypatch, None, "--columns", "slug", rows=[]).stdout == "slug\n"


@pytest.mark.parametrize("text", ["\033[31mred\033[0m", "two\nlines", "\u202ereversed", "bell\a"])
def test_values_steer_no_terminal(text: str) -> None:
    assert format_value(text).isprintable()


def test_numbers_have_the_right_noun() -> None:
    assert [plural(number, "line") for number in (0, 1, 2, 1000)] == [
        *("0 lines", "1 line", "2 lines", "1,000 lines")
    ]
