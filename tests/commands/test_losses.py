"""Every command is declared, listed with its own help, and asks if it loses something."""

import inspect
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib import import_module
from typing import Any

import click
import pytest
from flask_migrate.cli import db as flask_migrate_group

from tools.command_table import DOCUMENT, all_commands, with_table
from trially.commands import visible_sections
from trially.config import ROOT
from trially.terminal import NOTHING, Command, LazyCommand, Loss, command
from trially.terminal.command import Harmless

COMMANDS = dict(all_commands())
DESTRUCTIVE = {
    *("tenants rename", "tenants suspend", "tenants revoke", "tenants downgrade"),
    "tenants api-keys revoke",
    *("tenants members remove", "tenants connections remove"),
    *("servers change", "servers remove"),
    *("keys rotate", "keys destroy-former-versions"),
    "tenants diff-data",
    *("operations resume", "imports delete", "imports forget", "imports withdraw", "jobs cancel"),
    *("db downgrade", "db stamp", "audit prune"),
    *("tenants erase", "patients erase"),
    *("tenants backup", "tenants restore", "backups prune", "backups key"),
    "terminologies remove",
    *("plans change", "plans delete", "tenants set"),
    "operators remove",
    *("organisations delete", "organisations remove-tenant", "organisations remove-person"),
    "demo reset",
}


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_declares_what_it_loses(words: str) -> None:
    each = COMMANDS[words]

    assert isinstance(each, Command), "Make it with trially.terminal.command or catalog_command."
    options = {name for parameter in each.params for name in parameter.opts}
    if isinstance(each.loses, Harmless):
        # A full import asks by itself, when it knows which records are missing.
        assert ("--yes" in options) is (words == "imports fhir")
    else:
        assert "--yes" in options
        accepted = inspect.signature(each.loses).parameters
        assert any(parameter.kind is parameter.VAR_KEYWORD for parameter in accepted.values())


def test_the_destructive_commands_are_these() -> None:
    found = {words for words, each in COMMANDS.items() if getattr(each, "loses", 0) is not NOTHING}

    assert found == DESTRUCTIVE


def test_a_command_without_a_declaration_is_refused() -> None:
    with pytest.raises(TypeError, match="loses"):
        click.command("drop", cls=Command)(lambda: None)
    with pytest.raises(TypeError, match="loses"):
        command("drop")  # type: ignore[call-arg]


def test_every_command_of_flask_migrate_is_wrapped() -> None:
    wrapped = {words.removeprefix("db ") for words in COMMANDS if words.startswith("db ")}

    assert wrapped == {*flask_migrate_group.commands, "lint"}


def _lazies() -> dict[str, LazyCommand]:
    found: dict[str, LazyCommand] = {}

    def collect(words: str, each: click.Command) -> None:
        if isinstance(each, LazyCommand):
            found[words] = each
        elif isinstance(each, click.Group):
            for name, below in each.commands.items():
                collect(f"{words} {name}", below)

    for commands in visible_sections(is_development=True).values():
        for each in commands:
            collect(each.name or "", each)
    return found


@pytest.mark.parametrize("words", _lazies())
def test_the_table_of_contents_has_each_commands_own_name_and_help(words: str) -> None:
    lazy = _lazies()[words]
    loaded = lazy.load()

    assert (lazy.name, lazy.get_short_help_str()) == (loaded.name, loaded.get_short_help_str())


def test_the_documentation_has_the_table_of_today() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")

    assert with_table(text) == text, "Run `make docs`."


def test_help_has_sections_examples_and_whole_sentences() -> None:
    shown = _run("-m", "flask", "--help").stdout

    for title in (*visible_sections(), "Examples"):
        assert f"{title}:" in shown
    for commands in visible_sections(is_development=True).values():
        for each in commands:
            assert each.get_short_help_str() in re.sub(r"\s+", " ", shown)
    assert "..." not in shown.partition("Commands:")[2]
    assert max(map(len, shown.splitlines())) <= 80


def test_trially_has_the_same_commands_in_any_folder(tmp_path: Any) -> None:
    program = "from trially.command_line import main; main()"

    shown = _run("-c", program, "--help", cwd=tmp_path).stdout

    for commands in visible_sections(is_development=True).values():
        for each in commands:
            assert re.search(rf"^  {each.name} ", shown, re.MULTILINE), each.name


def test_an_installed_trially_offers_its_commands_to_flask_in_any_folder() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    offered = project["entry-points"]["flask.commands"]
    sections = visible_sections(is_development=True)

    assert project["scripts"] == {"trially": "trially.command_line:main"}
    assert set(offered) == {
        each.name
        for title, commands in sections.items()
        for each in commands
        if title != "Development"
    }
    for name, target in offered.items():
        module, _, attribute = target.partition(":")
        assert getattr(import_module(module), attribute).name == name


def _run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": str(ROOT), "TRIALLY_DEVELOPMENT": "1", "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [sys.executable, *arguments],
        **{"cwd": ROOT, "env": environment, **options},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )


@pytest.fixture
def ran() -> list[str]:
    return []


@pytest.fixture
def drop(ran: list[str]) -> Callable[..., click.Command]:
    """Make a command that loses something."""

    def make(loss: Loss | None) -> click.Command:
        @command("drop", loses=lambda **_: loss)
        @click.option("--json", "as_json", is_flag=True)
        def drop(*, as_json: bool) -> None:
            ran.append("dropped")

        return drop

    return make


@pytest.mark.parametrize("answer", ["y\n", "n\n", ""])
def test_at_a_terminal_the_loss_is_shown_and_the_answer_counts(
    app: Any, drop: Any, ran: list[str], monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr("trially.terminal.confirming.is_at_terminal", lambda: True)
    result = app.test_cli_runner().invoke(drop(Loss("7 rows go.", "Go on?")), input=answer)

    assert "7 rows go.\nGo on? [y/N]" in result.stderr
    assert result.stdout == ""
    assert (result.exit_code, ran) == ((0, ["dropped"]) if answer == "y\n" else (1, []))


@pytest.mark.parametrize("answer", ["y\n", ""])
def test_without_a_terminal_only_yes_counts(
    app: Any, drop: Any, ran: list[str], answer: str
) -> None:
    runner, losing = app.test_cli_runner(), drop(Loss("7 rows go.", "Go on?"))

    refused = runner.invoke(losing, input=answer)

    assert (refused.exit_code, ran) == (1, [])
    assert refused.stderr.startswith("Error: 7 rows go. Nothing was changed,")
    assert "--yes" in refused.stderr
    assert '"code":"not_confirmed"' in runner.invoke(losing, ["--json"]).stderr
    assert runner.invoke(losing, ["--yes"]).exit_code == 0
    assert ran == ["dropped"]


def test_nothing_is_asked_if_nothing_is_lost_this_time(app: Any, drop: Any, ran: list[str]) -> None:
    assert app.test_cli_runner().invoke(drop(None)).exit_code == 0
    assert ran == ["dropped"]
