"""Benchmarks that replace parts of the app still find these parts."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from benchmarks.search_seeding import compose_rows
from trially.config import ROOT

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("TRIALLY_")}


@pytest.mark.parametrize(
    ("script", "options", "expected"),
    [
        ("requests", "--rounds 2 --seconds 0.1", "of the twin"),
        ("additions", "--rounds 2 --seconds 1", "list 50"),
        ("quota_race", "--rounds 1 --places 20 --writers 4", "none exceeded"),
    ],
)
def test_a_script_runs_to_its_end(script: str, options: str, expected: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{script}", *options.split()],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    assert expected in ran.stdout.strip().splitlines()[-1]


def test_patients_that_are_seeded_have_all_that_search_terms_are_made_of() -> None:
    lines = []
    for rows in compose_rows(3):
        lines.append(rows.of(SimpleNamespace(id="t1")).read(10_000).count("\n"))
        rows.close()

    assert lines[0] == 3
    assert lines[1] > 3
