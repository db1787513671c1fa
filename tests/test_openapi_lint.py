"""Redocly and Spectral find nothing in the OpenAPI document, by their recommended rules."""

import json
from pathlib import Path

import pytest
from flask import Flask
from node_projects import install_copy, start_in

from trially.config import ROOT
from trially.state import state_of

LINTERS = ROOT / "tools" / "openapi-lint"
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


@pytest.fixture(scope="module")
def folder(app: Flask, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the linters with what they need, beside the API's document."""
    folder = install_copy(LINTERS, tmp_path_factory.mktemp("lint"))
    (folder / "openapi.json").write_bytes(state_of(app).openapi_document.render())
    return folder


def problems_of(folder: Path, linter: str, document: str) -> list[str]:
    """Return the rules that a linter finds broken."""
    linted = start_in(
        folder, "npm", "run", "--silent", linter, "--", document, seconds=240, **QUIET
    )
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
