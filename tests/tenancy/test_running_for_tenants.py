"""`flask tenants run`: one process, one context and one result for each tenant."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from members import MakeTenant
from operator_records import Records
from tenant_commands_environment import environment_of

from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle import tenant_processes
from trially.tenancy.lifecycle.plans.managing import PlanChange, create_plan

Run = Callable[..., Any]
CALLED = "called_for_tenants"


ALL = ("--plan", "run-tests")
"""What chooses the two tenants of these tests."""


@pytest.fixture(scope="module")
def tenants(app: Flask, make_tenant: MakeTenant) -> None:
    with app.app_context():
        create_plan("run-tests", PlanChange())
    for slug in ("run-one", "run-two"):
        make_tenant(Tier.POOLED_ROWS, slug=slug, plan="run-tests")


@pytest.fixture
def run(app: Flask, tenants: None, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `tenants run`; its processes have the settings of the app."""
    environment = environment_of(app)
    monkeypatch.setattr(tenant_processes.os, "environ", environment)
    runner = app.test_cli_runner()
    return lambda *arguments: runner.invoke(args=["tenants", "run", *arguments])


def test_each_tenant_has_its_own_result(run: Run, records: Records) -> None:
    failed = run(*ALL, "--json", "--reason", "T-1", "--", f"{CALLED}:fail_for", "run-one")
    one, two = json.loads(failed.stdout)

    assert failed.exit_code == 1
    assert "1 of 2 tenants: run-one" in failed.stderr
    assert (one["tenant"], one["result"], one["exit_status"]) == ("run-one", "failed", 1)
    assert "RuntimeError" in one["errors"]
    assert "a patient's name" not in one["errors"]
    assert (two["result"], two["output"]) == ("done", '"fine"\n')
    kept = sorted(
        (each for each in records() if (each["action"], each["stage"]) == ("tenants run", "noted")),
        key=lambda each: each["target"],
    )
    assert [each["target"] for each in kept] == ["run-one", "run-two"]
    assert [each["details"]["exit_status"] for each in kept] == [1, 0]
    assert "fail_for" not in json.dumps([each["details"] for each in kept])


def test_a_tenant_that_hangs_is_ended_and_stops_no_other(run: Run) -> None:
    slow = ("--timeout", "15s", "--workers", "2", "--json", "--", f"{CALLED}:hang_for", "run-two")
    ended = run(*ALL, *slow)

    assert ended.exit_code == 1
    assert [each["result"] for each in json.loads(ended.stdout)] == ["done", "timed out"]


def test_a_command_gets_the_slug_and_prints_in_one_piece(run: Run, records: Records) -> None:
    shown = run("run-two", "--", "members", "list", "--json")
    listed = run("run-two", "--", "tenants", "members", "list", "--json")
    reason = run("run-one", "--reason", "T-2", "--", f"{CALLED}:greet", "hello")

    assert shown.exit_code == 1
    assert "'members' is no command" in shown.output
    assert listed.exit_code == 0, listed.output
    assert "== run-two: done in" in listed.stdout
    assert "[]" in listed.stdout
    assert '"hello run-one T-2"' in reason.stdout
    assert "hello" not in str(records())


def test_a_dry_run_shows_the_commands(run: Run) -> None:
    dry = run(*ALL, "--dry-run", "--json", "--", "audit", "list", "{slug}", "--limit", "{id}")
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
def test_what_is_no_function_is_refused(app: Flask, run: Run, name: str) -> None:
    refused = app.test_cli_runner().invoke(args=["tenants", "call", "run-one", name])

    assert refused.exit_code == 1
    assert name.partition(":")[0] in refused.output
