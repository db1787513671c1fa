"""Every check of the doctor finds the hole that is made for it, and a healthy fleet has none."""

import json
from dataclasses import replace

import pytest
from database_holes import PRIVILEGES, TABLES
from object_holes import CONSISTENCY, OBJECTS
from server_holes import INSTALLATION, ROLES, SERVERS, SETTINGS

from trially.doctor import examining
from trially.doctor.examining import DATABASE_CHECKS, examinations
from trially.doctor.findings import Level
from trially.doctor.fleet import read_fleet
from trially.doctor.installation import INSTALLATION_CHECKS
from trially.doctor.roles import ROLE_CHECKS
from trially.doctor.servers import SERVER_CHECKS
from trially.state import state_of

HOLES = [*TABLES, *PRIVILEGES, *OBJECTS, *CONSISTENCY, *ROLES, *SERVERS, *INSTALLATION]

TESTED_ELSEWHERE = {
    "pg hba allows no insecure method",
    "remote connections are encrypted",
    "crash recovery is fast",
    "the secret key is strong",
    "the limits of connections fit the threads",
}


@pytest.fixture
def examine(fleet):
    """Examine the fleet, and return the problems."""

    def problems():
        with fleet.app.app_context():
            findings = [finding for examine in examinations(read_fleet()) for finding in examine()]
        return [finding for finding in findings if finding.level is not Level.OK]

    return problems


@pytest.fixture
def examine_where(fleet):
    """Examine the one place of a hole, and return the problems that its check finds."""

    def problems(made):
        with fleet.app.app_context():
            expected = read_fleet()
            if made in ROLES or made in SERVERS:
                findings = examining._examine_server(expected, "default")
            elif made in INSTALLATION:
                findings = examining._examine_installation(expected)
            else:
                name = fleet.database(made.of)
                [database] = [each for each in expected.databases if each.name == name]
                findings = examining._examine_database(expected, database)
        return [f for f in findings if f.check == made.check and f.level is not Level.OK]

    return problems


def test_a_healthy_fleet_has_no_errors(fleet):
    result = fleet.run("doctor", "--json")
    findings = json.loads(result.stdout)

    assert result.exit_code == 0
    assert {finding["level"] for finding in findings} == {"ok", "warning"}
    warnings = [f for f in findings if f["level"] == "warning"]
    assert {(f["check"], f["where"]) for f in warnings} <= {
        ("the secret key is strong", "installation"),
        ("the version does not leak rows", "default"),
    }
    places = {finding["where"] for finding in findings}
    assert places == {"installation", "default"} | {
        f"default/{tenant.placement.database}" for tenant in fleet.tenants.values()
    }


def test_every_check_has_a_hole():
    checks = (*DATABASE_CHECKS, *ROLE_CHECKS, *SERVER_CHECKS, *INSTALLATION_CHECKS)
    names = {check.__name__.replace("_", " ") for check in checks}

    tested = {hole.check for hole in HOLES} | {name for name, *_ in SETTINGS} | TESTED_ELSEWHERE
    assert tested == names


@pytest.mark.parametrize("made", HOLES, ids=lambda made: f"{made.made[:60]}")
def test_a_hole_is_found(fleet, examine_where, hole, made):
    before = examine_where(made)
    hole(made.made, made.mended, made.of)

    findings = examine_where(made)

    matching = [f for f in findings if fleet.spell(made.text) in f.what]
    assert matching, findings
    assert not set(matching) & set(before)
    assert {f.level for f in matching} == {made.level}
    assert all(f.remedy for f in matching)


def test_a_mended_fleet_is_healthy_again(fleet, examine):
    assert not [f for f in examine() if f.level is Level.ERROR]


def test_an_error_is_printed_and_in_the_exit_status(fleet, hole):
    hole(ROLES[0].made, ROLES[0].mended)

    result = fleet.run("doctor")

    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    role = fleet.tenants["dedicated-one"].placement.role
    assert lines[1].split()[:2] == ["error", "default"]
    assert f"{role} has SUPERUSER" in lines[1]
    assert f"ALTER ROLE {role} NOSUPERUSER;" in lines[1]
    assert lines[-1].startswith("1 errors, ")


def test_an_unreachable_server_is_an_error_and_the_rest_is_examined(fleet, examine, monkeypatch):
    access = state_of(fleet.app).servers["default"]
    monkeypatch.setattr(
        "trially.doctor.examining.server_access",
        lambda _name: replace(
            access, admin_url=access.admin_url.set(username="nobody-at-all"), _kept={}
        ),
    )

    failed = [f for f in examine() if f.check == "every place can be examined"]

    assert {f.level for f in failed} == {Level.ERROR}
    assert len(failed) == 5
