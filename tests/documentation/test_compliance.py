"""docs/compliance.md has each control, and names tests, commands and pages that exist."""

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass

import click
import pytest
from documentation.anchors import anchors_of

from tools.command_table import all_commands
from trially.config import ROOT

PAGE = (ROOT / "docs" / "compliance.md").read_text("utf-8")
NONE = "none"
CONTROLS = {
    "HIPAA: 45 CFR 164.312": [
        *("(a)(1)", "(a)(2)(i)", "(a)(2)(ii)", "(a)(2)(iii)", "(a)(2)(iv)", "(b)"),
        *("(c)(1)", "(c)(2)", "(d)", "(e)(1)", "(e)(2)(i)", "(e)(2)(ii)"),
    ],
    "SOC 2: CC6 to CC8": [
        *(f"CC6.{number}" for number in range(1, 9)),
        *(f"CC7.{number}" for number in range(1, 6)),
        "CC8.1",
    ],
    "GDPR": [
        f"Article {each}"
        for each in (
            *("15", "17", "20", "25 (1)", "25 (2)", "30"),
            *("32 (1)(a)", "32 (1)(b)", "32 (1)(c)", "32 (1)(d)", "32 (4)"),
        )
    ],
    "21 CFR Part 11": [
        *(f"11.10 ({letter})" for letter in "abcdefghijk"),
        *("11.30", "11.50", "11.70", "11.100", "11.200", "11.300"),
    ],
}
COMMANDS = dict(all_commands())
_CODE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\[[^\]]+\]\((?P<path>[^)#]*)#?(?P<anchor>[^)]*)\)")


@dataclass(frozen=True)
class Row:
    """A control, and what the page says of it."""

    section: str
    control: str
    feature: str
    test: str
    evidence: str
    duty: str
    """What remains for the operator."""


def read_rows() -> list[Row]:
    rows, section = [], ""
    for line in PAGE.splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and cells[0] != "control":
            rows.append(Row(section, *cells))
    return rows


ROWS = read_rows()
NAMED_TESTS = sorted({test for row in ROWS for test in _CODE.findall(row.test)})
NAMED_COMMANDS = sorted({command for row in ROWS for command in _CODE.findall(row.evidence)})


def test_every_control_has_one_row() -> None:
    assert {row.section for row in ROWS} == CONTROLS.keys()
    for section, controls in CONTROLS.items():
        rows = [row for row in ROWS if row.section == section]
        assert len(rows) == len(controls)
        for row, control in zip(rows, controls, strict=True):
            assert re.match(rf"{re.escape(control)}[ ,]", row.control), row.control


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.control)
def test_a_row_says_everything_or_that_there_is_nothing(row: Row) -> None:
    assert row.duty
    assert row.evidence == NONE or _CODE.findall(row.evidence)
    if row.feature == NONE:
        assert (row.test, row.evidence) == (NONE, NONE)
    else:
        assert _CODE.findall(row.test)
        assert _LINK.search(row.feature)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.control)
def test_every_link_leads_to_a_heading(row: Row) -> None:
    for link in _LINK.finditer(f"{row.feature} {row.duty}"):
        page = ROOT / "docs" / link["path"]
        assert page.is_file(), link[0]
        assert not link["anchor"] or link["anchor"] in anchors_of(page.read_text("utf-8")), link[0]


def test_every_test_is_collected() -> None:
    collected = collect(*NAMED_TESTS)

    assert collected.returncode == 0, collected.stdout
    found = {line.partition("[")[0] for line in collected.stdout.splitlines() if "::" in line}
    assert found == set(NAMED_TESTS)


def test_a_test_that_does_not_exist_is_noticed() -> None:
    assert collect("tests/documentation/test_compliance.py::test_nothing").returncode != 0


@pytest.mark.parametrize("command", NAMED_COMMANDS)
def test_every_command_exists_with_its_options(command: str) -> None:
    parse(command)


@pytest.mark.parametrize(
    "command",
    [
        "flask tenants attest acme",
        "flask tenants prove acme --gently",
        "flask tenants show acme other",
        "flask audit report acme",
        "flask patients erase acme 0193 --why whim",
    ],
)
def test_a_command_that_does_not_exist_is_noticed(command: str) -> None:
    with pytest.raises((click.ClickException, KeyError)):
        parse(command)


def collect(*tests: str) -> subprocess.CompletedProcess[str]:
    """Let pytest collect tests without running them."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *tests],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def parse(line: str) -> None:
    """Read the words of a command as the command line would; raise an error if it could not."""
    flask, *words = shlex.split(line)
    assert flask == "flask"
    length = next((n for n in (3, 2, 1) if " ".join(words[:n]) in COMMANDS), len(words))
    command = COMMANDS[" ".join(words[:length])]
    context = click.Context(command)
    values, unread, _ = command.make_parser(context).parse_args(words[length:])
    if unread:
        raise click.UsageError(f"{line}: unknown arguments {unread}")
    for parameter in command.params:
        value = values.get(parameter.name or "")
        is_argument = isinstance(parameter, click.Argument) and parameter.required
        if is_argument and parameter.value_is_missing(value):
            raise click.MissingParameter(param=parameter)
        if isinstance(parameter.type, click.Choice) and isinstance(value, str):
            parameter.type.convert(value, parameter, context)
