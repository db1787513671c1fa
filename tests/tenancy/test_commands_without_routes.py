"""Commands that make an app without routes work in a process that has imported nothing else."""

import json
import subprocess
import sys

import pytest
from flask import Flask
from members import MakeTenant
from tenant_commands_environment import environment_of

from trially.config import ROOT
from trially.tenancy.catalog_choices import Tier


@pytest.mark.parametrize(
    "command",
    [
        "imports list SLUG",
        "jobs list SLUG",
        "tenants api-keys list SLUG",
        "tenants erased",
        "tenants show SLUG",
    ],
)
def test_a_command_without_routes_works_in_its_own_process(
    app: Flask, make_tenant: MakeTenant, command: str
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)

    done = subprocess.run(
        [sys.executable, "-m", "flask", *command.replace("SLUG", tenant.slug).split(), "--json"],
        cwd=ROOT,
        env=environment_of(app),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert isinstance(json.loads(done.stdout), list | dict)
