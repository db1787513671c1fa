"""Differences that an operator declares are no errors, and each declaration needs its reason."""

import datetime as dt
import json

import pytest

from trially.doctor.declarations import (
    Declaration,
    InvalidDeclarationError,
    apply_declarations,
    read_declarations,
)
from trially.doctor.findings import Finding, Level

TODAY = dt.date(2026, 11, 26)


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "differences.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_declared_difference_is_no_error(fleet, hole, write):
    hole("CREATE EXTENSION dblink SCHEMA trially", "DROP EXTENSION dblink", "pooled-one")
    where = f"default/{fleet.database('pooled-one')}"
    path = write(
        f'[[difference]]\nwhere = "{where}"\nwhat = "unexpected extension dblink"\n'
        'reason = "The nightly report reads the registry."\n'
    )

    without = fleet.run("doctor")
    declared = fleet.run("doctor", "--allow", path)
    findings = json.loads(fleet.run("doctor", "--allow", path, "--json").stdout)

    assert without.exit_code == 1
    assert declared.exit_code == 0
    assert " 1 declared difference;" in declared.stdout
    [found] = [finding for finding in findings if finding["level"] == "declared"]
    assert found["what"] == "unexpected extension dblink"
    assert found["reason"] == "The nightly report reads the registry."


def test_an_unused_declaration_is_a_warning(fleet, write):
    path = write('[[difference]]\nwhat = "unexpected extension citus"\nreason = "We shard."\n')

    findings = json.loads(fleet.run("doctor", "--allow", path, "--json").stdout)

    [unused] = [finding for finding in findings if finding["where"] == "declarations"]
    assert unused["level"] == "warning"
    assert "'unexpected extension citus' is not found" in unused["what"]


def test_a_declaration_covers_what_its_patterns_match_only():
    found = Finding(Level.ERROR, "check", "default/t_1", "unexpected table a.b", "DROP", "acme")
    matching = [
        Declaration("unexpected table *", "why"),
        Declaration("unexpected table a.b", "why", where="default/*", tenant="acme"),
    ]
    others = [
        Declaration("unexpected table", "why"),
        Declaration("unexpected table *", "why", where="eu1/*"),
        Declaration("unexpected table *", "why", tenant="other"),
        Declaration("UNEXPECTED table *", "why"),
    ]

    for declaration in matching:
        assert [f.level for f in apply_declarations([declaration], [found], TODAY)] == ["declared"]
    for declaration in others:
        levels = [f.level for f in apply_declarations([declaration], [found], TODAY)]
        assert levels == ["error", "warning"]


def test_a_declaration_ends():
    found = Finding(Level.ERROR, "check", "default", "what", "remedy")
    until = Declaration("what", "why", until=TODAY)

    assert [f.level for f in apply_declarations([until], [found], TODAY)] == ["declared"]
    tomorrow = TODAY + dt.timedelta(days=1)
    after = list(apply_declarations([until], [found], tomorrow))
    assert [f.level for f in after] == ["error", "warning"]
    assert "ended on 2026-11-26" in after[1].what


def test_a_check_without_problem_uses_no_declaration():
    passed = Finding(Level.OK, "check", "default", "no problem")

    levels = [
        f.level for f in apply_declarations([Declaration("no problem", "why")], [passed], TODAY)
    ]

    assert levels == ["ok", "warning"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("what = ", "is not valid TOML"),
        ("\x00", "is not valid TOML"),
        ('what = "x"', "has the key 'what'"),
        ('difference = "x"', "as a table"),
        ("difference = [1]", "as a table"),
        ('[[difference]]\nwhat = "x"', "'reason' is missing"),
        ('[[difference]]\nwhat = "x"\nreason = " "', "'reason' is missing"),
        ('[[difference]]\nreason = "x"', "'what' is missing"),
        ('[[difference]]\nwhat = 1\nreason = "x"', "'what' must be a text"),
        ('[[difference]]\nwhat = "x"\nreason = "x"\nuntil = "soon"', "'until' must be a date"),
        ('[[difference]]\nwhat = "x"\nreason = "x"\nlevel = "ok"', "unknown key 'level'"),
        ('[[difference]]\nwhat = "*"\nreason = "x"', "would cover every finding"),
        ('[[difference]]\nwhat = "?*"\nreason = "x"', "would cover every finding"),
        ('[[difference]]\nwhat = "[!x]*"\nreason = "x"', "would cover every finding"),
    ],
)
def test_a_bad_file_is_refused(write, text, message):
    with pytest.raises(InvalidDeclarationError) as refused:
        read_declarations(write(text))

    assert message in str(refused.value)


def test_a_missing_file_is_refused(fleet, tmp_path):
    result = fleet.run("doctor", "--allow", tmp_path / "none.toml")

    assert result.exit_code == 2


def test_a_bad_file_stops_the_command_before_it_examines(fleet, write):
    result = fleet.run("doctor", "--allow", write("nonsense = 1"))

    assert result.exit_code == 1
    assert "has the key 'nonsense'" in result.output
