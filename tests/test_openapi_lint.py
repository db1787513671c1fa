"""Redocly and Spectral find nothing in the OpenAPI document, by their recommended rules."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from flask import Flask

from trially.config import ROOT
from trially.state import state_of

LINTERS = ROOT / "tools" / "openapi-lint"


@pytest.fixture(scope="module")
def folder(app: Flask, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the linters with what they need, beside the API's document."""
    if shutil.which("npm") is None:
        pytest.skip("Node.js with npm is not installed, so the OpenAPI linters cannot run.")
    folder = tmp_path_factory.mktemp("lint") / "openapi-lint"
    shutil.copytree(LINTERS, folder, ignore=shutil.ignore_patterns("node_modules"))
    (folder / "openapi.json").write_bytes(state_of(app).openapi_document)
    installed = run_in(folder, "npm", "ci", "--no-audit", "--no-fund")
    assert installed.returncode == 0, installed.stdout + installed.stderr
    return folder


def run_in(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    quiet = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **quiet},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def problems_of(folder: Path, linter: str, document: str) -> list[str]:
    """Return the rules that a linter finds broken."""
    linted = run_in(folder, "npm", "run", "--silent", linter, "--", document)
    start = min((linted.stdout.find(sign) for sign in "[{" if sign in linted.stdout), default=-1)
    assert start >= 0, linted.stdout + linted.stderr
    found, _ = json.JSONDecoder().raw_decode(linted.stdout[start:])
    problems = found["problems"] if isinstance(found, dict) else found
    # Warnings of Redocly do not fail its command; here they count too.
    assert problems or not linted.returncode, linted.stdout + linted.stderr
    return [str(problem.get("ruleId") or problem["code"]) for problem in problems]


@pytest.mark.parametrize("linter", ["redocly", "spectral"])
def test_a_linter_finds_nothing(folder: Path, linter: str) -> None:
    assert problems_of(folder, linter, "openapi.json") == []


@pytest.mark.parametrize(
    ("linter", "rule"), [("redocly", "tag-description"), ("spectral", "operation-tag-defined")]
)
def test_a_linter_would_find_a_gap(folder: Path, linter: str, rule: str) -> None:
    document = json.loads((folder / "openapi.json").read_text())
    del document["tags"][0]["description"]
    del document["tags"][1]
    (folder / "gaps.json").write_text(json.dumps(document))

    assert rule in problems_of(folder, linter, "gaps.json")
