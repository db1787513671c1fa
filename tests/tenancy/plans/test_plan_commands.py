"""`flask plans …`, and plans in `flask tenants …`."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from members import MakePatient, MakeTenant, Member

from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle.moving.moves import MoveOptions
from trially.tenancy.lifecycle.plans import setting

Run = Callable[..., Any]


@pytest.fixture
def plan(run_command: Run) -> str:
    """A plan of the test's own."""
    name = f"plan-{uuid4().hex[:8]}"
    options = ("--like", "pro", "--limit", "patients=2", "--tier", "own_schema")
    result = run_command("plans", "create", name, *options)
    assert result.exit_code == 0, result.output
    return name


def printed(result: Any) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_plans_of_a_new_catalog(run_command: Run) -> None:
    plans = {each["name"]: each for each in printed(run_command("plans", "list", "--json"))}

    assert {"free", "pro", "enterprise", "standard"} <= plans.keys()
    assert plans["free"]["tiers"] == ["pooled_rows"]
    assert plans["free"]["limits"]["patients"] == 500
    assert plans["enterprise"]["features"] == ["all"]
    assert set(plans["standard"]["limits"].values()) == {None}


def test_a_plan_is_created_changed_and_deleted(run_command: Run, plan: str) -> None:
    created = printed(run_command("plans", "show", plan, "--json"))
    assert (created["tiers"], created["limits"]["patients"]) == (["own_schema"], 2)

    options = ("--limit", "patients=unlimited", "--feature", "all=on", "--tier", "all", "--json")
    changed = printed(run_command("plans", "change", plan, *options))
    assert (changed["tiers"], changed["features"]) == (["all"], ["all"])
    assert changed["limits"]["patients"] is None

    less = printed(run_command("plans", "change", plan, "--feature", "exports=off", "--json"))
    assert less["features"] == ["branding", "fhir", "matching", "registry_imports", "value_sets"]

    assert run_command("plans", "delete", plan, "--yes").stdout == f"Deleted the plan {plan}.\n"
    assert "There is no plan" in run_command("plans", "show", plan).stderr


def test_what_cannot_be_done_is_said_in_a_sentence(
    run_command: Run, make_tenant: MakeTenant, plan: str
) -> None:
    tenant = make_tenant(Tier.OWN_SCHEMA, plan=plan)
    refused = {
        ("plans", "create", plan): "There is a plan",
        ("plans", "delete", plan, "--yes"): "Tenants have the plan",
        ("plans", "delete", "standard", "--yes"): "New tenants get the plan 'standard'",
        ("plans", "change", plan, "--limit", "patients=many"): "is no number for patients",
        ("plans", "change", plan, "--limit", "beds=1"): "'beds' is no limit",
        ("tenants", "set", tenant.slug): "Say what to set",
        ("tenants", "set", tenant.slug, "--plan", "gold"): "There is no plan 'gold'",
        ("tenants", "set", tenant.slug, "--limit", "patients=1"): "Say why",
        ("tenants", "create", "x-1", "--name", "X", "--plan", plan, "--tier", "pooled_rows"): (
            f"The plan {plan} does not allow the tier pooled_rows"
        ),
        ("tenants", "move", tenant.slug, "--to-tier", "pooled_rows"): "does not allow the tier",
    }

    for words, sentence in refused.items():
        result = run_command(*words)
        assert result.exit_code != 0, words
        assert sentence in result.stderr, words


def test_a_lower_limit_asks_and_says_whom_it_concerns(
    run_command: Run, make_tenant: MakeTenant, plan: str
) -> None:
    make_tenant(Tier.OWN_SCHEMA, plan=plan)

    asked = run_command("plans", "change", plan, "--limit", "patients=1")

    assert f"1 tenant of the plan {plan}: patients 2 becomes 1." in asked.stderr
    assert run_command("plans", "change", plan, "--limit", "patients=1", "--yes").exit_code == 0


def test_a_downgrade_below_the_use_says_so_and_refuses_what_is_added(
    run_command: Run, member: Member, make_patient: MakePatient, plan: str
) -> None:
    slug = member.tenant.slug
    for _ in range(3):
        make_patient(member)
    asked = run_command("tenants", "set", slug, "--plan", plan)
    assert "uses more than its limits: patients 3 of 2" in asked.stderr
    assert "Nothing was changed" in asked.stderr

    done = run_command("tenants", "set", slug, "--plan", plan, "--yes")

    assert f"{slug} has the plan {plan}" in done.stdout
    assert f"{slug} loses the features branding, fhir." in done.stdout
    assert "patients 3 of 2. Nothing is deleted, and nothing can be added" in done.stdout
    assert f"`flask tenants move {slug} --to-tier own_schema`" in done.stdout
    shown = printed(run_command("tenants", "show", slug, "--json"))
    assert (shown["plan"], shown["limits"]["patients"]) == (plan, {"most": 2, "used": 3})
    assert len(member.get("/patients").json["data"]) == 3


def test_a_plan_that_forbids_the_tier_starts_the_move(
    run_command: Run,
    member: Member,
    make_patient: MakePatient,
    plan: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(setting, "MoveOptions", partial(MoveOptions, max_pause=5))
    make_patient(member)
    options = ("--plan", plan, "--move", "--yes", "--json")

    done = printed(run_command("tenants", "set", member.tenant.slug, *options))

    assert (done["move_to"], done["moved"]) == ("own_schema", True)
    shown = printed(run_command("tenants", "show", member.tenant.slug, "--json"))
    assert (shown["tier"], shown["limits"]["patients"]["used"]) == ("own_schema", 1)


def test_an_exception_is_shown_with_its_reason_and_recorded(
    run_command: Run, member: Member
) -> None:
    slug = member.tenant.slug
    options = ("--limit", "patients=7", "--feature", "fhir=off", "--until", "2099-01-01")

    trial = run_command("tenants", "set", slug, *options, "--reason", "Pilot", "--dry-run")
    assert trial.stdout.startswith("Nothing was changed.")
    assert printed(run_command("tenants", "show", slug, "--json"))["overrides"] == []

    result = run_command("tenants", "set", slug, *options, "--reason", "Pilot", "--yes")
    assert result.exit_code == 0, result.output

    shown = printed(run_command("tenants", "show", slug, "--json"))
    assert shown["limits"]["patients"] == {"most": 7, "used": 0}
    assert "fhir" not in shown["features"]
    assert [(each["name"], each["value"], each["reason"]) for each in shown["overrides"]] == [
        ("fhir", False, "Pilot"),
        ("patients", 7, "Pilot"),
    ]
    records = printed(run_command("audit", "operators", "--target", slug, "--json"))
    assert ("tenants set", "Pilot") in {(each["action"], each["reason"]) for each in records}

    again = run_command("tenants", "set", slug, "--remove", "patients", "--remove", "fhir")
    assert again.exit_code == 0, again.output
    assert printed(run_command("tenants", "show", slug, "--json"))["overrides"] == []


def test_a_new_tenant_gets_the_tier_of_its_plan(run_command: Run, plan: str) -> None:
    slug = f"new-{uuid4().hex[:8]}"

    made = printed(run_command("tenants", "create", slug, "--name", "N", "--plan", plan, "--json"))

    assert (made["tier"], made["plan"]) == ("own_schema", plan)


def test_a_tenant_gets_another_name(run_command: Run, make_tenant: MakeTenant) -> None:
    slug = make_tenant(Tier("pooled_rows")).slug
    named = ("tenants", "set", slug, "--name", "Acme Labs")

    previewed = run_command(*named, "--dry-run")
    assert "would be called Acme Labs" in previewed.stdout
    assert printed(run_command("tenants", "show", slug, "--json"))["name"] != "Acme Labs"
    assert printed(run_command(*named, "--json"))["name"] == "Acme Labs"
    assert printed(run_command("tenants", "show", slug, "--json"))["name"] == "Acme Labs"
    assert "The name is blank" in run_command("tenants", "set", slug, "--name", " ").stderr
