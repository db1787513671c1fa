"""Workers and commands load no library at their start that only some requests need."""

import subprocess
import sys

import pytest

from tools import start_checks
from trially.config import ROOT

OF_DATABASES = {"alembic", "flask_migrate", "mako"}
OF_DOCUMENTS = {"apispec", "docx", "pypdf"}
OF_MATCHES = {"numpy", "rapidfuzz"}
OF_PICTURES = {"PIL", "lxml"}
OF_ARCHIVES = {"bech32", "pyrage"}
OF_DOMAINS = {"dns", "idna"}
NEEDED_LATER = OF_DATABASES | OF_DOCUMENTS | OF_MATCHES | OF_PICTURES | OF_ARCHIVES | OF_DOMAINS

WORKER = """
from trially import analysts, api, application, commands, platform
app = api.routes_only()
api.add_rooms(app, (platform, analysts))
"""
"""Loads what `wsgi` loads, without a database."""

ALL_COMMANDS = """
from trially.commands import visible_sections
def load(command):
    for each in getattr(command, "commands", {}).values():
        load(each)
    if hasattr(command, "load"):
        command.load()
for commands in visible_sections(is_development=False).values():
    for each in commands:
        load(each)
"""
"""Loads what the `--help` of every command loads."""

LOADED = "import sys\n{}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        pytest.param(WORKER, NEEDED_LATER, id="worker"),
        pytest.param(
            "import trially.command_line",
            {"flask", "sqlalchemy", "marshmallow", *NEEDED_LATER},
            id="help",
        ),
        pytest.param(
            ALL_COMMANDS, {"fpdf", "rich", *OF_DOCUMENTS, *OF_MATCHES, *OF_PICTURES}, id="commands"
        ),
        pytest.param(
            "import trially.tenancy.lifecycle.listing_commands, trially.base_app",
            {"marshmallow", "joserfc", "structlog", "asyncpg", *NEEDED_LATER},
            id="tenants list",
        ),
    ],
)
def test_a_start_loads_no_library_that_it_does_not_need(statement: str, absent: set[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(statement)],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )

    loaded = set(done.stdout.split())
    assert "click" in loaded
    assert not loaded & absent
    assert done.stderr == ""


def test_what_is_not_checked_at_the_start_holds() -> None:
    assert start_checks.find_problem() is None


def test_a_document_that_cannot_be_built_fails_the_checks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def describe(*_: object) -> None:
        raise TypeError("The field `note` has no example.")

    monkeypatch.setattr(start_checks, "describe", describe)

    assert start_checks.main() == 1
    assert capsys.readouterr().err == "The field `note` has no example.\n"
