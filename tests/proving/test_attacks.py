"""The walls of a whole fleet hold, except for the documented limits."""

import json
from dataclasses import replace

import pytest
from poolers import running_pooler
from proofs import ALL, canaries, outcome

from trially.state import state_of
from trially.tenancy.lifecycle.status import resume_tenant, suspend_tenant

LIMITS = {
    "SET ROLE": "schema",
    "SET ROLE and read": "schema",
    "set the tenant id and read": "pooled",
    "set the tenant id and write": "pooled",
}
"""The tier of the fleet within which each path succeeds, by the prefix of its tenants' slugs."""


@pytest.fixture(scope="module")
def proof(fleet):
    """A run of the command on the whole fleet."""
    return fleet.run("tenants", "prove", *ALL)


def test_a_whole_fleet_holds(proof):
    report = json.loads(proof.stdout)["report"]

    assert proof.exit_code == 0, proof.stderr
    assert len(report["tenants"]) == 6
    assert all(len(tenant["attackers"]) == 5 for tenant in report["tenants"])
    assert (report["counts"]["breached"], report["counts"]["inconclusive"]) == (0, 0)
    assert report["counts"]["held"] > 500
    assert set(report["not_applicable"]) == {"files", "shared caches"}
    assert report["versions"]["trially"]
    assert report["versions"]["postgresql"]["default"]


def test_limits_succeed_only_within_a_database_of_their_tier(proof):
    attempts = json.loads(proof.stdout)["report"]["attempts"]
    limits = {
        (a["path"], a["tenant"], a["attacker"])
        for a in attempts
        if a["outcome"] == "documented limit"
    }

    assert limits == {
        (path, f"{name}-{target}", f"{name}-{attacker}")
        for path, name in LIMITS.items()
        for target, attacker in (("one", "two"), ("two", "one"))
    }


def test_every_kind_of_row_is_requested_with_every_method(proof):
    attempts = json.loads(proof.stdout)["report"]["attempts"]
    unknown = [a for a in attempts if a["wall"].endswith("is unknown")]
    sites = {a["path"]: a["wall"] for a in attempts if "<uuid:site_id>" in a["path"]}

    assert unknown == []
    assert set(sites) == {
        "API: GET /api/v1/sites/<uuid:site_id>",
        "API: PATCH /api/v1/sites/<uuid:site_id>",
    }
    assert set(sites.values()) == {"404, with a token of the built-in issuer"}


def test_no_canary_remains_and_the_report_contains_no_tenant_data(fleet, proof):
    assert canaries(fleet) == 0
    assert "Customer" not in proof.output
    assert "owner|" not in proof.output
    assert "canary-" not in proof.output


def test_without_the_built_in_issuer_requests_are_sent_without_a_token(
    fleet, attempts_on, monkeypatch
):
    monkeypatch.setattr(state_of(fleet.app), "dev_issuer", None)

    result, attempts = attempts_on("schema-one")

    assert result.exit_code == 0, result.stderr
    sites = [a for a in attempts if a["path"] == "API: GET /api/v1/sites/<uuid:site_id>"]
    assert {(a["outcome"], a["wall"]) for a in sites} == {
        ("held", "404, without a token check, with an owner's identity")
    }


def test_views_that_an_attackers_member_may_not_call_are_called_without_the_check(
    fleet, attempts_on, hole
):
    hole(
        "UPDATE {dedicated_two.schema}.member SET role = 'admin'",
        "UPDATE {dedicated_two.schema}.member SET role = 'owner'",
        of="dedicated-two",
    )
    state_of(fleet.app).identities.forget(lambda _: True)

    result, attempts = attempts_on("pooled-one")

    assert result.exit_code == 0, result.stderr
    users = "API: GET /api/v1/scim/v2/Users"
    [wall] = [a["wall"] for a in attempts if (a["path"], a["attacker"]) == (users, "dedicated-two")]
    assert wall == "only the attacker's rows, without a token check, with an owner's identity"


def test_views_get_bodies_of_their_own_types(fleet, attempts_on, hole):
    """SCIM has another media type than merge patches, and its PUT has no version."""
    values = f"('{fleet.tenants['dedicated-one'].id}', gen_random_uuid()"
    hole(
        "INSERT INTO {dedicated_one.schema}.scim_user (tenant_id, id, user_name, user_name_key,"
        f" details, email_keys) VALUES {values}, 'noor', 'noor', '{{{{}}}}', '{{{{}}}}');"
        " INSERT INTO {dedicated_one.schema}.scim_group (tenant_id, id, display_name,"
        f" display_name_key) VALUES {values}, 'all', 'all')",
        "DELETE FROM {dedicated_one.schema}.scim_user;"
        " DELETE FROM {dedicated_one.schema}.scim_group",
        of="dedicated-one",
    )

    result, attempts = attempts_on("dedicated-one")

    assert result.exit_code == 0, result.stderr
    for kind in ("Users/<uuid:scim_user_id>", "Groups/<uuid:scim_group_id>"):
        for method in ("GET", "PATCH", "PUT", "DELETE"):
            path = f"API: {method} /api/v1/scim/v2/{kind}"
            assert outcome(attempts, path, "schema-one") == "held", path


def test_rows_with_the_attackers_own_ids_are_no_breach(fleet, attempts_on, hole):
    """A clone has the ids of its origin. It finds its own rows by them."""
    [[site]] = fleet.administer(
        "SELECT id FROM {schema}.site".format(
            schema=fleet.tenants["dedicated-one"].placement.schema
        ),
        of="dedicated-one",
    )
    copy = f"(tenant_id, id, name) VALUES ('{fleet.tenants['dedicated-two'].id}', '{site}', 'Copy')"
    hole(
        f"INSERT INTO {{dedicated_two.schema}}.site {copy}",
        f"DELETE FROM {{dedicated_two.schema}}.site WHERE id = '{site}'",
        of="dedicated-two",
    )

    result, attempts = attempts_on("dedicated-one")

    assert result.exit_code == 0, result.stderr
    path = "API: GET /api/v1/sites/<uuid:site_id>"
    assert outcome(attempts, path, "dedicated-two") == "not applicable"
    assert outcome(attempts, path, "schema-one") == "held"


def test_logins_are_tried_at_the_pooler_and_replicas_too(fleet, attempts_on, monkeypatch):
    servers = state_of(fleet.app).servers
    access = servers["default"]
    doors = replace(access, pooler_url=access.admin_url, replica_urls=(access.admin_url,))
    monkeypatch.setitem(servers, "default", doors)

    _, attempts = attempts_on("dedicated-one")

    for path in ("login", "login through the pooler", "login at a replica"):
        assert outcome(attempts, path, "dedicated-two") == "held"
        for neighbours in (("schema-one", "schema-two"), ("pooled-one", "pooled-two")):
            outcomes = {outcome(attempts, path, neighbour) for neighbour in neighbours}
            assert outcomes == {"held", "not applicable"}


def test_the_walls_hold_behind_a_real_pooler(fleet, attempts_on, monkeypatch):
    servers = state_of(fleet.app).servers
    with running_pooler(fleet.app) as pooler:
        doors = replace(servers["default"], pooler_url=pooler.url)
        monkeypatch.setitem(servers, "default", doors)
        for slug in ("dedicated-one", "schema-one", "pooled-one"):
            result, attempts = attempts_on(slug)
            assert result.exit_code == 0, result.stderr
            assert outcome(attempts, "login through the pooler", "dedicated-two") == "held"


def test_a_suspended_tenant_is_not_entered(fleet, attempts_on):
    with fleet.app.app_context():
        suspend_tenant("pooled-two")
    try:
        result, attempts = attempts_on("pooled-two")
    finally:
        with fleet.app.app_context():
            resume_tenant("pooled-two")

    assert result.exit_code == 0, result.stderr
    assert outcome(attempts, "enter while suspended", None) == "held"
    assert outcome(attempts, "read by id", "pooled-one") == "held"
