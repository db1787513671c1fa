"""The apps of the comparison get the same requests and answer the same fields."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.peers import environment
from benchmarks.peers.contenders import Calls
from benchmarks.peers.environment import EnvironmentMissingError, build_environment
from benchmarks.peers.flask_apps import EqualSchema
from benchmarks.peers.populating import Population, make_population
from benchmarks.peers.tables import FIELDS
from trially.config import ROOT
from trially.recruiting.patients.schema import PatientSchema

TENANTS = 5


@pytest.fixture
def population() -> Population:
    return make_population(TENANTS, patients=3)


def calls_of(population: Population, header: str) -> Calls:
    tokens = [f"token-{number}" for number in range(TENANTS)]
    return Calls(population, tokens, lambda number: {header: f"tenant-{number}"})


@pytest.mark.parametrize("kind", ["read one", "list 50"])
def test_apps_get_the_same_requests_in_a_round(population: Population, kind: str) -> None:
    one = calls_of(population, "X-One").compose(kind, TENANTS, 1, seconds=1)
    other = calls_of(population, "X-Other").compose(kind, TENANTS, 1, seconds=1)

    assert [request.replace("X-One", "X-Other") for request in one] == other
    assert calls_of(population, "X-Other").compose(kind, TENANTS, 2, seconds=1) != other


def test_requests_go_to_all_tenants_with_their_own_tokens(population: Population) -> None:
    requests = calls_of(population, "Host").compose("list 50", TENANTS, 1, seconds=1)

    for number in range(TENANTS):
        of_tenant = [each for each in requests if f"Host: tenant-{number}\r\n" in each]
        assert of_tenant
        assert all(f"Bearer token-{number}\r\n" in each for each in of_tenant)


def test_no_patient_is_created_twice(population: Population) -> None:
    calls = calls_of(population, "Host")
    requests = [
        *calls.compose("create", 1, 1, seconds=1),
        *calls.compose("create", 1, 1, seconds=1),
    ]

    numbers = [json.loads(each.partition("\r\n\r\n")[2])["mrn"] for each in requests]

    assert len(set(numbers)) == len(requests)


def test_the_equal_app_answers_the_fields_of_trially() -> None:
    assert set(EqualSchema().fields) == set(FIELDS) == set(PatientSchema().fields) - {"etag"}


def test_apps_of_the_peers_environment_do_not_need_trially() -> None:
    code = (
        "import sys, benchmarks.peers.issuer, benchmarks.peers.tables;"
        "sys.exit(any(name.partition('.')[0] == 'trially' for name in sys.modules))"
    )

    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_an_environment_that_cannot_be_built_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(environment, "FOLDER", tmp_path / "environment")
    monkeypatch.setattr(sys, "executable", "false")

    with pytest.raises(EnvironmentMissingError, match="could not be built: no message"):
        build_environment()
