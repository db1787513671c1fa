"""Every hole is found, named and mended, on every tier where it can exist."""

import pytest
from changed_holes import AUDIT, CONSISTENCY, CONSTRAINTS, FUNCTIONS, POLICIES, PRIVILEGES, TABLES
from holes import EACH_TIER
from object_holes import EXTRA_OBJECTS, EXTRA_PARTS
from server_holes import (
    CATALOG_HOLES,
    DATABASES,
    MEMBERSHIPS,
    ROLES,
    SETTINGS_OF_ROLES,
    STRANGERS,
)
from server_holes import (
    IN_DATABASES as SEEN_ON_SERVERS,
)

IN_DATABASES = [
    *EXTRA_OBJECTS,
    *EXTRA_PARTS,
    *AUDIT,
    *POLICIES,
    *CONSTRAINTS,
    *TABLES,
    *FUNCTIONS,
    *PRIVILEGES,
    *CONSISTENCY,
]
ON_SERVERS = [*ROLES, *MEMBERSHIPS, *SETTINGS_OF_ROLES, *DATABASES, *STRANGERS]


POSTGRESQLS_OWN = ("pg_catalog", "pg_toast", "LANGUAGE plpgsql")
"""A hole in one of these is made last: afterwards, its rows are read by each examination."""


def each_place(holes):
    holes = sorted(holes, key=lambda hole: any(own in hole.made for own in POSTGRESQLS_OWN))
    return [pytest.param(hole, at, id=f"{at} {hole.made[:70]}") for hole in holes for at in hole.at]


def check_hole(examined, hole, made_at, where, examined_at):
    """Make a hole, let it be found, and mend it.

    The next hole that is made at the place shows that this one is found no more. After the last
    one, `test_holes_that_were_mended_are_found_no_more` does.
    """
    fleet = examined.fleet
    text = examined.spell(hole.text, where)
    before = examined.problems_before(examined_at)
    fleet.administer(examined.spell(hole.made, where), of=made_at)
    mended = examined.spell(hole.mended, where) if hole.mended else None
    try:
        problems = examined.problems(examined_at)
        found = [finding for finding in problems if text in finding.what]
        assert found, problems
        assert {finding.level for finding in found} == {hole.level}
        assert not [what for what in before if text in what]
        assert all(finding.remedy for finding in found)
        mended = mended or found[0].remedy
    finally:
        if mended:
            fleet.administer(mended, of=made_at)
    new = {finding.what for finding in problems} - set(before)
    if new & examined.found_last.get(examined_at, set()):
        # Both holes look alike, or the last one is still there.
        check_mended(examined, examined_at)
    examined.found_last[examined_at] = new


def check_mended(examined, place):
    """Find nothing at a place that was not found before any hole was made."""
    before = examined.problems_before(place)
    assert [finding.what for finding in examined.problems(place)] == before


@pytest.mark.parametrize(("hole", "at"), each_place(IN_DATABASES))
def test_a_hole_in_a_database_is_found(examined, hole, at):
    check_hole(examined, hole, at, at, examined_at=at)


@pytest.mark.parametrize(("hole", "at"), each_place(ON_SERVERS))
def test_a_hole_on_a_server_is_found(examined, hole, at):
    check_hole(examined, hole, None, at, examined_at="server")


@pytest.mark.parametrize(("hole", "at"), each_place(SEEN_ON_SERVERS))
def test_a_hole_in_a_database_is_found_on_its_server(examined, hole, at):
    check_hole(examined, hole, at, at, examined_at="server")


@pytest.mark.parametrize(("hole", "at"), each_place(CATALOG_HOLES))
def test_a_hole_in_the_catalog_is_found(examined, hole, at):
    check_hole(examined, hole, at, at, examined_at=at)


@pytest.mark.parametrize("place", [*EACH_TIER, "catalog", "server"])
def test_holes_that_were_mended_are_found_no_more(examined, place):
    check_mended(examined, place)
