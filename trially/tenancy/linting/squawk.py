"""The rules of squawk about locks, and about what an older version of the app cannot live with."""

import json
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path

from trially.tenancy.linting.findings import Finding, LintError

SQUAWK = "squawk"
OLDEST_POSTGRES = "15.0"
SECONDS = 120
LONGEST_SUBJECT = 100

RULES = frozenset(
    {
        "adding-field-with-default",
        "adding-foreign-key-constraint",
        "adding-not-nullable-field",
        "adding-required-field",
        "adding-serial-primary-key-field",
        "ban-alter-domain-with-add-constraint",
        "ban-concurrent-index-creation-in-transaction",
        "ban-create-domain-with-constraint",
        "ban-drop-column",
        "ban-drop-constraint",
        "ban-drop-database",
        "ban-drop-not-null",
        "ban-drop-table",
        "ban-truncate-cascade",
        "changing-column-type",
        "constraint-missing-not-valid",
        "disallowed-unique-constraint",
        "renaming-column",
        "renaming-table",
        "require-concurrent-index-creation",
        "require-concurrent-index-deletion",
        "syntax-error",
    }
)
"""The rules that count. Left out are those of style, and those that ask for a timeout: the engine
sets `lock_timeout` for every migration.
"""


def squawk(scripts: Mapping[str, str]) -> list[Finding]:
    """Return what squawk finds in the SQL of migrations, which are given by name.

    Raises `LintError` if squawk is not installed, or does not answer with findings.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for number, (name, sql) in enumerate(scripts.items()):
            path = Path(folder, f"{number:04d}.sql")
            path.write_text(sql, encoding="utf-8")
            paths[str(path)] = name
        if not paths:
            return []
        return [
            _finding(paths[each["file"]], scripts[paths[each["file"]]], each)
            for each in _run(list(paths))
            if each["rule_name"] in RULES
        ]


def _run(paths: list[str]) -> list[dict[str, str]]:
    command = [_program(), "--pg-version", OLDEST_POSTGRES, "--reporter", "json", *paths]
    ended = subprocess.run(  # noqa: S603  a fixed program, and files of our own
        command, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    try:
        found: list[dict[str, str]] = json.loads(ended.stdout)
    except ValueError as error:
        raise LintError(f"squawk failed: {ended.stderr.strip() or ended.stdout[:200]}") from error
    return found


def _program() -> str:
    found = shutil.which(SQUAWK, path=sysconfig.get_path("scripts")) or shutil.which(SQUAWK)
    if found is None:
        raise LintError(
            "squawk is not installed. Install the requirements of development:"
            " `pip install --require-hashes -r requirements/development.txt`."
        )
    return found


def _finding(name: str, sql: str, found: Mapping[str, str]) -> Finding:
    lines = sql.splitlines()[int(found["line"]) : int(found["line_end"]) + 1]
    subject = " ".join(" ".join(lines).split())[:LONGEST_SUBJECT]
    return Finding(name, found["rule_name"], subject, found["help"] or found["message"])
