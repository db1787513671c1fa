"""The doctor works with an administrator that is no superuser, and says what it cannot see."""

import json

from plain_fleets import plain_fleet

__all__ = ["plain_fleet"]


def examine(fleet):
    result = fleet.run("doctor", "--json")
    findings = json.loads(result.stdout)
    problems = [finding for finding in findings if finding["level"] not in ("ok", "declared")]
    return result.exit_code, {
        problem["what"]: problem["level"]
        for problem in problems
        if problem["check"] not in ("the secret key is strong", "the version does not leak rows")
    }


def test_a_doctor_needs_no_superuser(plain_fleet):
    status, problems = examine(plain_fleet)

    assert set(problems.values()) == {"warning"}, problems
    assert any("may not read pg_user_mapping" in what for what in problems)
    assert status == 0

    alter = f"SET ROLE {plain_fleet.catalog}_owner; ALTER TABLE tenant.patient"
    plain_fleet.administer(f"{alter} NO FORCE ROW LEVEL SECURITY; RESET ROLE", of="pooled-one")
    role = plain_fleet.database("dedicated-one")
    plain_fleet.administer(f"ALTER ROLE {role} SET search_path = public")
    status, problems = examine(plain_fleet)

    errors = {what for what, level in problems.items() if level == "error"}
    assert status == 1
    assert "row-level security of table tenant.patient is not forced" in errors
    assert any(what.startswith(f"search_path of ALTER ROLE {role} is public") for what in errors)
    assert len(errors) == 2
