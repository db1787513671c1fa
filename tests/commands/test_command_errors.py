"""Errors follow `--json`, and a closed pipe is no error."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import click
import psycopg2
import pytest
from flask import Flask

from trially.config import ROOT
from trially.errors import OperatorError
from trially.terminal import NOTHING, command


class TooManyCooksError(OperatorError):
    """An error of this test."""


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (TooManyCooksError("The broth is spoilt."), "too_many_cooks", "The broth is spoilt."),
        (psycopg2.OperationalError("Jane Roe"), "database", "The database reported an error"),
        (KeyError("Jane Roe"), "unexpected", "The command failed with KeyError."),
        (BrokenPipeError("Jane Roe"), "unexpected", "The command failed with BrokenPipeError."),
        (click.UsageError("Pass --role."), "usage", "Pass --role."),
        (click.Abort(), "aborted", "The command was aborted."),
    ],
)
def test_an_error_is_json_with_the_same_status(
    app: Flask, error: Exception, code: str, message: str
) -> None:
    @command("cook", loses=NOTHING)
    @click.option("--json", "as_json", is_flag=True)
    def cook(*, as_json: bool) -> None:
        raise error

    runner = app.test_cli_runner()
    plain, as_json = runner.invoke(cook), runner.invoke(cook, ["--json"])
    shown = json.loads(as_json.stderr.splitlines()[-1])["error"]

    assert shown["code"] == code
    assert shown["message"].startswith(message)
    assert shown["exit_status"] == plain.exit_code == as_json.exit_code
    assert as_json.stdout == plain.stdout == ""
    assert "Jane" not in plain.stderr + as_json.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("tenants", "show", "--json"),
        ("tenants", "lst", "--json"),
        ("tenants", "members", "nothing", "--json"),
        ("tenants", "create", "acme", "--name", "A", "--tier", "moon", "--json"),
        ("tenants", "list", "--limit", "0", "--json"),
        ("tenants", "list", "--columns", "moon", "--bogus", "--json"),
        ("tenants", "revoke", "acme", "--issuer", "https://login.example", "--json"),
        ("operations", "resume", "no-uuid", "--json"),
    ],
)
def test_wrong_arguments_are_json_too(
    run_command: Callable[..., Any], arguments: tuple[str, ...]
) -> None:
    result = run_command(*arguments)
    error = json.loads(result.stderr)["error"]

    assert (result.exit_code, error["exit_status"], error["code"]) == (2, 2, "usage")
    assert result.stdout == ""


def run_piped(script: str, reads: int) -> tuple[int, str]:
    """Run a script whose output is read up to some bytes, and return its status and its errors."""
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(reads)
        process.stdout.close()
        errors = process.stderr.read().decode()
        return process.wait(60), errors


PRINTING = """
import sys, click
from types import SimpleNamespace
from flask import Flask
from flask.cli import ScriptInfo
from trially.terminal import NOTHING, command, print_json
app = Flask("x")
app.extensions["trially"] = SimpleNamespace(only_reads=False)
@command("talk", loses=NOTHING, only_reads=True)
def talk():
    sys.stdin.read()
    {}
talk(obj=ScriptInfo(create_app=lambda: app))
"""


@pytest.mark.parametrize(
    "body",
    [
        "print_json(['line'] * 100_000)",
        "print_json('a line in the buffer')",
        "[click.echo('line') for _ in range(100_000)]",
    ],
)
def test_a_closed_pipe_ends_quietly(body: str) -> None:
    # The script writes only after the pipe is closed: it sleeps until its reader is gone.
    waiting = PRINTING.replace("sys.stdin.read()", "import time; time.sleep(0.5)").format(body)

    assert run_piped(waiting, reads=0) == (141, "")


def test_a_pipe_that_closes_in_the_middle_ends_quietly() -> None:
    script = PRINTING.replace("sys.stdin.read()", "pass")

    assert run_piped(script.format("print_json(['line'] * 1_000_000)"), reads=6) == (141, "")


@pytest.mark.parametrize("arguments", [["--help"], ["tenants", "--help"]])
def test_help_in_a_closed_pipe_is_quiet(arguments: list[str]) -> None:
    script = (
        f"import time; time.sleep(0.5); from trially.command_line import main; main({arguments})"
    )

    assert run_piped(script, reads=0) == (141, "")


def test_a_wrong_setting_is_a_sentence_at_the_start_of_a_command() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "flask", "tenants", "list", "--json"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "TRIALLY_DEVELOPMENT": "1", "TRIALLY_LOG_LEVEL": "loud"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    error = json.loads(result.stderr)["error"]

    assert (result.returncode, error["code"], result.stdout) == (1, "settings", "")
    assert error["message"] == (
        "trially cannot start. TRIALLY_LOG_LEVEL is 'loud'. Set it to one of DEBUG, INFO, WARNING,"
        " ERROR, CRITICAL."
    )
