"""Codes are searched in terminologies that only the test loads."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from trially.state import state_of
from trially.terminologies.loading import load
from trially.terminologies.systems import SYSTEMS

LoadTerminology = Callable[..., None]


@pytest.fixture
def load_terminology(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> LoadTerminology:
    """Load a terminology into the app, until the end of the test. None is loaded before."""
    state = state_of(app)
    folder = tmp_path / "terminologies"
    monkeypatch.setattr(state, "settings", replace(state.settings, terminologies=folder))

    def load_files(name: str, paths: Sequence[Path], version: str | None = None) -> None:
        with app.app_context():
            load(SYSTEMS[name], paths, version=version)

    return load_files


@pytest.fixture(autouse=True)
def _without_terminologies(load_terminology: LoadTerminology) -> None:
    """Let each test begin without any."""
