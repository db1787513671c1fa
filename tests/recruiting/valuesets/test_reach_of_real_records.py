"""Starter sets reach the conditions of 615 patients whom nobody here has written."""

import csv
import gzip
from collections.abc import Callable
from typing import Any

import pytest
from members import Member
from terminology_files import REAL_CODES

from trially.recruiting.valuesets.library import value_set_library
from trially.recruiting.valuesets.starter_sets import starter_sets
from trially.tenancy.context import tenant_context

FOLDER = REAL_CODES.parents[1] / "fhir" / "synthea_615_ndjson"


@pytest.mark.skipif(not FOLDER.exists(), reason="The public files are not here.")
def test_facts_are_those_that_an_independent_pass_has_counted(
    member: Member, run_command: Callable[..., Any]
) -> None:
    files = [*FOLDER.glob("Patient*"), *FOLDER.glob("Condition*")]
    result = run_command("imports", "fhir", member.tenant.slug, *files, "--source", "real")
    assert result.exit_code == 0, result.output
    with gzip.open(REAL_CODES, "rt", encoding="utf-8") as file:
        rows = [
            row for row in csv.DictReader(file, delimiter="\t") if row["resource"] == "Condition"
        ]
    with (
        member.app.app_context(),
        tenant_context(str(member.tenant.id)),
        value_set_library() as library,
    ):
        sets = {key: library.value_set(key).expansion for key in starter_sets()}

    for key, starter in starter_sets().items():
        reached = member.get(f"/valuesets/{starter.id}/reach").json
        counted = {
            row["code"]: int(row["count"])
            for row in rows
            if (row["system"], row["code"]) in sets[key]
        }
        assert reached["facts"] == sum(counted.values()), key
        assert {each["code"]: each["facts"] for each in reached["codes"]} == counted
        assert (reached["patients"] > 0) is (key != "breast_cancer")
    missed = member.get(f"/valuesets/{starter_sets()['t2dm'].id}/reach").json["missed"]
    assert [each["display"] for each in missed] == ["Diabetic renal disease (disorder)"]
