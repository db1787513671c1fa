"""Two tenants of each tier, in which evaluators are compared."""

from collections.abc import Iterator

import pytest
from flask import Flask
from members import MakeTenant

from tests.recruiting.matching.three_evaluators import EXAMPLES, Place, Score
from trially.tenancy.catalog_choices import Tier


@pytest.fixture(scope="module")
def place(
    request: pytest.FixtureRequest, app: Flask, make_tenant: MakeTenant, tier: Tier
) -> Iterator[Place]:
    """Two tenants. In the end, a run with `FUZZ_EXAMPLES` says how much was compared."""
    place = Place(app, make_tenant(tier), make_tenant(tier), Score())
    yield place
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and EXAMPLES is not None:
        reporter.write_line(f"\n{tier}: {place.score}")
