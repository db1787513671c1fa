"""The folder of terminologies is the test's own."""

from pathlib import Path

import pytest

from trially.terminologies import loading, store


@pytest.fixture(autouse=True)
def terminologies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of terminologies, for tests without an app."""
    folder = tmp_path / "terminologies"
    for module in (store, loading):
        monkeypatch.setattr(module, "folder", lambda: folder)
    return folder
