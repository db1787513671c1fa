"""`flask terminologies` and `flask valuesets expand`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from members import AsMember, MakeTenant, Member
from terminology_files import write_order_file, write_snomed

from trially.recruiting.valuesets import commands
from trially.recruiting.valuesets.saving import expand_again
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import current_tenant

Run = Callable[..., Any]


def create(member: Member, *include: Any) -> dict[str, Any]:
    body = {"key": "a", "name": "A", "compose": {"include": list(include)}}
    answer = member.post("/valuesets", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def test_a_terminology_is_loaded_listed_and_removed(run_command: Run, tmp_path: Path) -> None:
    path = write_order_file(tmp_path)

    tried = run_command("terminologies", "load", "icd10cm", path, "--dry-run")
    loaded = run_command("terminologies", "load", "icd10cm", path)
    listed = run_command("terminologies", "list", "--json")
    asked = run_command("terminologies", "remove", "icd10cm")
    removed = run_command("terminologies", "remove", "icd10cm", "--yes")
    again = run_command("terminologies", "remove", "icd10cm", "--yes")

    assert tried.output == "ICD-10-CM 2026 would be loaded: 5 codes, 3 direct relations.\n"
    assert loaded.output == (
        "ICD-10-CM 2026 is loaded: 5 codes, 3 direct relations.\n"
        "Expand the tenants' value sets again: flask valuesets expand --all\n"
    )
    [item] = json.loads(listed.output)
    assert (item["system"], item["version"], item["codes"]) == ("icd10cm", "2026", 5)
    assert item["files"] == "icd10cm_order_2026.txt"
    assert asked.exit_code == 1
    assert "ICD-10-CM 2026 has 5 codes." in asked.output
    assert removed.output == "ICD-10-CM is removed.\n"
    assert again.exit_code == 1
    assert "ICD-10-CM is not loaded, so nothing was removed." in again.output


def test_loading_answers_in_json(run_command: Run, tmp_path: Path) -> None:
    result = run_command("terminologies", "load", "sct", *write_snomed(tmp_path), "--json")

    answer = json.loads(result.output)
    assert (answer["system"], answer["version"], answer["codes"]) == ("sct", "20260901", 7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["icd11", "x.tsv"], "'icd11' is not one of"),
        (["icd10cm", "nowhere.tsv"], "nowhere.tsv"),
        (["icd10cm"], "Missing argument 'FILE...'"),
    ],
)
def test_wrong_arguments_are_refused(run_command: Run, arguments: list[str], message: str) -> None:
    result = run_command("terminologies", "load", *arguments)

    assert result.exit_code == 2
    assert message in result.output


def test_a_broken_file_is_named(run_command: Run, tmp_path: Path) -> None:
    path = tmp_path / "icd_2026.tsv"
    path.write_text("code\tdescription\tparent\nE1\tWrong\t\n", encoding="utf-8")

    result = run_command("terminologies", "load", "icd10cm", path)

    assert result.exit_code == 1
    assert f"{path}, line 2: 'E1' has not the form of an ICD-10-CM code" in result.output


def test_value_sets_of_tenants_are_expanded_again(
    tier: Tier,
    run_command: Run,
    make_tenant: MakeTenant,
    as_member: AsMember,
    tmp_path: Path,
) -> None:
    ours, theirs = as_member(make_tenant(tier)), as_member(make_tenant(tier))
    before = create(ours, {"codes": ["sct|44054006"], "descendants": True})
    others = create(theirs, {"codes": ["sct|44054006"], "descendants": True})
    run_command("terminologies", "load", "sct", *write_snomed(tmp_path))

    result = run_command("valuesets", "expand", ours.tenant.slug, "--json")
    again = run_command("valuesets", "expand", ours.tenant.slug, "--json")

    item = {"tenant": ours.tenant.slug, "result": "expanded"}
    assert json.loads(result.output) == [item | {"changed": "a"}]
    assert json.loads(again.output) == [item | {"changed": ""}]
    after = ours.get(f"/valuesets/{before['id']}").json
    assert (after["code_count"], after["gaps"], after["number"]) == (2, [], 1)
    assert after["digest"] != before["digest"]
    assert theirs.get(f"/valuesets/{others['id']}").json == others


def test_a_tenant_that_fails_does_not_stop_the_others(
    run_command: Run,
    make_tenant: MakeTenant,
    as_member: AsMember,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failing, other = as_member(make_tenant()), as_member(make_tenant())
    created = [
        create(each, {"codes": ["sct|44054006"], "descendants": True}) for each in (failing, other)
    ]
    run_command("terminologies", "load", "sct", *write_snomed(tmp_path))

    def fail_for_one() -> list[str]:
        if current_tenant().slug == failing.tenant.slug:
            raise RuntimeError("Something broke.")
        return expand_again()

    monkeypatch.setattr(commands, "expand_again", fail_for_one)
    result = run_command("valuesets", "expand", failing.tenant.slug, other.tenant.slug)

    assert result.exit_code == 1
    assert "The value sets of 1 tenant were not expanded" in result.output
    assert failing.get(f"/valuesets/{created[0]['id']}").json == created[0]
    assert other.get(f"/valuesets/{created[1]['id']}").json["gaps"] == []


def test_tenants_must_be_named(run_command: Run, tenant: Tenant) -> None:
    assert run_command("valuesets", "expand").exit_code == 2
    assert run_command("valuesets", "expand", tenant.slug, "--all").exit_code == 2
    unknown = run_command("valuesets", "expand", "no-such-tenant")
    assert unknown.exit_code == 1
    assert "There is no tenant 'no-such-tenant'" in unknown.output
