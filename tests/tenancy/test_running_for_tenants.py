"""`flask tenants run`: one process, one context and one result for each tenant."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from tenant_commands_environment import environment_of
from tenant_databases import access_of

from trially.state import state_of
from trially.tenancy.catalog import Tier
from trially.tenancy.lifecycle import tenant_processes
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.servers.connections import execute

Run = Callable[..., Any]
CALLED = "called_for_tenants"


@pytest.fixture
def run(own_app: Flask, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on an installation with two tenants; its processes have the same settings."""
    with own_app.app_context():
        for slug in ("run-one", "run-two"):
            create_tenant(slug, slug, tier=Tier.POOLED_ROWS)
    environment = environment_of(own_app)
    monkeypatch.setattr(tenant_processes.os, "environ", environment)
    runner = own_app.test_cli_runner()
    return lambda *arguments: runner.invoke(args=["tenants", "run", *arguments])


def records(app: Flask) -> list[dict[str, Any]]:
    with access_of(app).administer(state_of(app).settings.catalog_database) as raw:
        rows = execute(
            raw,
            "SELECT target, reason, details FROM operator_action"
            " WHERE action = 'tenants run' AND stage = 'noted' ORDER BY target",
        )
        return [dict(zip(("target", "reason", "details"), row, strict=True)) for row in rows]


def test_each_tenant_has_its_own_result(own_app: Flask, run: Run) -> None:
    failed = run("--all", "--json", "--reason", "T-1", "--", f"{CALLED}:fail_for", "run-one")
    one, two = json.loads(failed.stdout)

    assert failed.exit_code == 1
    assert "1 of 2 tenants: run-one" in failed.stderr
    assert (one["tenant"], one["result"], one["exit_status"]) == ("run-one", "failed", 1)
    assert "RuntimeError" in one["errors"]
    assert "a patient's name" not in one["errors"]
    assert (two["result"], two["output"]) == ("done", '"fine"\n')
    kept = records(own_app)
    assert [each["target"] for each in kept] == ["run-one", "run-two"]
    assert [each["details"]["exit_status"] for each in kept] == [1, 0]
    assert "fail_for" not in json.dumps([each["details"] for each in kept])


def test_a_tenant_that_hangs_is_ended_and_stops_no_other(run: Run) -> None:
    slow = ("--timeout", "6s", "--workers", "2", "--json", "--", f"{CALLED}:hang_for", "run-two")
    ended = run("--tier", "pooled_rows", *slow)

    assert ended.exit_code == 1
    assert [each["result"] for each in json.loads(ended.stdout)] == ["done", "timed out"]


def test_a_command_gets_the_slug_and_prints_in_one_piece(run: Run) -> None:
    shown = run("run-two", "--", "members", "list", "--json")
    listed = run("run-two", "--", "tenants", "members", "list", "--json")
    reason = run("run-one", "--reason", "T-2", "--", f"{CALLED}:greet", "hello")

    assert shown.exit_code == 1
    assert "'members' is no command" in shown.output
    assert listed.exit_code == 0, listed.output
    assert "== run-two: done in" in listed.stdout
    assert "[]" in listed.stdout
    assert '"hello run-one T-2"' in reason.stdout


def test_a_dry_run_shows_the_commands(run: Run) -> None:
    dry = run("--all", "--dry-run", "--json", "--", "audit", "list", "{slug}", "--limit", "{id}")
    words = [each["command"].split() for each in json.loads(dry.stdout)]

    assert [each[:3] for each in words] == [
        ["audit", "list", "run-one"],
        ["audit", "list", "run-two"],
    ]
    assert words[0][-1] != words[1][-1]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--all",), "Write the command after"),
        (("--all", "--"), "Write the command after"),
        (("--", "audit", "verify"), "Pass slugs, or --all"),
        (("run-one", "--all", "--", "audit", "verify"), "Pass slugs, or --all"),
        (("no-such", "--", "audit", "verify"), "does not exist"),
        (("--server", "elsewhere", "--", "audit", "verify"), "There is no such tenant"),
        (("--all", "--", "tenants"), "has several commands"),
        (("--all", "--", "no", "such"), "is no command"),
        (("--all", "--", "servers", "list"), "is not about one tenant"),
        (("--all", "--", "tenants", "run", "--all", "--", "x:y"), "cannot be run by itself"),
    ],
)
def test_wrong_commands_run_nothing(run: Run, arguments: tuple[str, ...], told: str) -> None:
    refused = run(*arguments)

    assert refused.exit_code != 0
    assert told in refused.output


@pytest.mark.parametrize("name", ["no.such:thing", f"{CALLED}:missing", f"{CALLED}:not_a_function"])
def test_what_is_no_function_is_refused(own_app: Flask, run: Run, name: str) -> None:
    refused = own_app.test_cli_runner().invoke(args=["tenants", "call", "run-one", name])

    assert refused.exit_code == 1
    assert name.partition(":")[0] in refused.output
