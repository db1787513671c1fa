"""After kill -9 at any step, the restore is finished or undone, and no recovered rows are left."""

import datetime as dt
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from barman_installations import BarmanInstallation
from flask import Flask
from killed_programs import run_killed
from members import MakePatient
from standbys import wait_until

from trially.config import Settings
from trially.embedded_postgres.watcher import is_running
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.lifecycle.operations import unfinished_operations
from trially.tenancy.recovery.clusters import recovery_directory

PROGRAM = Path(__file__).with_name("killed_restores.py")
SECONDS = 240


def test_a_killed_restore_is_finished_or_undone(
    app: Flask,
    barman: BarmanInstallation,
    settings: Settings,
    make_tenant: Callable[..., Any],
    as_member: Callable[..., Any],
    make_patient: MakePatient,
    run_command: Callable[..., Any],
) -> None:
    member = as_member(make_tenant(Tier.OWN_SCHEMA))
    kept = {make_patient(member)["id"] for _ in range(2)}
    time.sleep(0.05)
    at = dt.datetime.now(dt.UTC)
    make_patient(member)
    number = uuid4().hex[:6]
    moments = ("configure", "study", "remove")
    slugs = {moment: f"killed-{moment}-{number}" for moment in (*moments, "copy")}
    lines = [
        f"{barman.command}|{member.tenant.slug}|{at.isoformat()}|{slug}|{moment}"
        for moment, slug in slugs.items()
    ]

    run_killed(PROGRAM, lines, settings, seconds=SECONDS)

    folder = recovery_directory_of(app)
    assert len(list(folder.iterdir())) == len(slugs)
    wait_until(lambda: not any(is_running(each) for each in folder.iterdir()))
    with app.app_context():
        operations = {each.tenant_slug: each.id for each in unfinished_operations()}
    undone = run_command("operations", "resume", str(operations[slugs["copy"]]), "--undo", "--yes")
    assert undone.exit_code == 0, undone.output
    for moment in moments:
        resumed = run_command("operations", "resume", str(operations[slugs[moment]]))
        assert resumed.exit_code == 0, resumed.output
        shown = as_member(tenant_of(app, slugs[moment])).get("/patients").json["data"]
        assert {each["id"] for each in shown} == kept
    assert list(folder.iterdir()) == []
    assert run_command("tenants", "show", slugs["copy"]).exit_code != 0


def recovery_directory_of(app: Flask) -> Path:
    with app.app_context():
        return recovery_directory()


def tenant_of(app: Flask, slug: str) -> Any:
    with app.app_context():
        return get_tenant(slug)
