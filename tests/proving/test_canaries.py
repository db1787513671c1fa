"""No canary outlives its run, whichever way the run ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from proofs import canaries

from trially.config import ROOT
from trially.proving import running
from trially.proving.attempts import Party
from trially.proving.canaries import canary_in, new_run
from trially.state import state_of
from trially.tenancy.lifecycle.status import get_tenant


def test_the_canaries_of_a_killed_run_are_deleted_by_the_next(fleet, settings, attempts_on):
    url = state_of(fleet.app).servers["default"].admin_url
    environment = {name: value for name, value in os.environ.items() if "TRIALLY" not in name}
    environment |= {
        "TRIALLY_DEVELOPMENT": "1",
        "TRIALLY_INSTANCE": str(settings.instance),
        "TRIALLY_SECRET_KEY": settings.secret_key,
        "TRIALLY_DATABASE_URL": url.render_as_string(hide_password=False),
        "TRIALLY_CATALOG_DATABASE": fleet.catalog,
        "PYTHONPATH": str(ROOT),
    }
    program = Path(__file__).with_name("killed_proof.py")
    subprocess.run([sys.executable, program, "dedicated-one"], env=environment, timeout=60)
    assert canaries(fleet) == 1

    result, _ = attempts_on("dedicated-one")

    assert result.exit_code == 0, result.stderr
    assert canaries(fleet) == 0


def test_an_interrupted_run_deletes_its_canary(fleet, monkeypatch):
    planted = []

    def interrupt(_target, _attacker):
        planted.append(canaries(fleet))
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "ATTACKS_AS_TENANT", (interrupt,))
    with fleet.app.app_context(), pytest.raises(KeyboardInterrupt):
        list(running.prove(running.make_plan(["schema-one"], 1, 1), 600))

    assert planted == [1]
    assert canaries(fleet) == 0


def test_the_canary_of_a_live_run_stays(fleet, attempts_on):
    with fleet.app.app_context(), new_run() as run:
        with canary_in(Party(get_tenant("pooled-one")), run):
            attempts_on("pooled-one")
            assert canaries(fleet) == 1
        assert canaries(fleet) == 0


def test_an_old_canary_is_deleted_even_if_its_run_is_alive(fleet, attempts_on):
    schema = fleet.tenants["schema-one"].placement.schema
    with (
        fleet.app.app_context(),
        new_run() as run,
        canary_in(Party(get_tenant("schema-one")), run),
    ):
        fleet.administer(
            f"UPDATE {schema}.canary SET planted_at = now() - interval '25 hours'", of="schema-one"
        )
        attempts_on("schema-one")
        assert canaries(fleet) == 0
