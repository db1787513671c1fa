"""Fixtures of the tests of the platform API: operators of each role, and a worker."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from flask import Flask
from operator_records import records
from platform_clients import Operator, carry_out_all

from trially.tenancy.operators.model import PlatformRole
from trially.tenancy.tasks.claiming import Claim, claim_task

__all__ = ["records"]


@pytest.fixture
def operator_of(app: Flask) -> Callable[[PlatformRole], Operator]:
    """Return a client with the token of an operator of a role."""
    return partial(Operator, app)


@pytest.fixture
def admin(app: Flask) -> Operator:
    """A client that may do everything through the platform API."""
    return Operator(app)


@pytest.fixture
def work(app: Flask) -> Iterator[Callable[[], int]]:
    """Carry out all waiting tasks in this process, and return their number."""
    yield partial(carry_out_all, app)
    carry_out_all(app)


@pytest.fixture
def claim(app: Flask) -> Callable[[], Claim | None]:
    """Claim the task that has waited longest."""

    def take() -> Claim | None:
        with app.app_context():
            return claim_task()

    return take
