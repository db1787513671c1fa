"""The walls prove themselves; a hole that is made by hand is found and named."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import wraps
from pathlib import Path

import pytest
from poolers import running_pooler

from trially.cache.ttl_cache import TTLCache
from trially.config import ROOT
from trially.proving import running
from trially.proving.asking import LIMITS
from trially.proving.attempts import Party
from trially.proving.canaries import canary_in, new_run
from trially.proving.reports import ForgedReportError, sign, verify
from trially.request_cycle import refusal_time
from trially.state import state_of
from trially.tenancy.lifecycle.status import get_tenant, resume_tenant, suspend_tenant
from trially.tenancy.schema.guard import GUARD_DDL

ALL = ("--attackers", "5", "--json")
TENANT_ROWS = (
    "CREATE POLICY tenant_rows ON tenant.canary TO PUBLIC"
    " USING (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
    " WITH CHECK (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
)
CARELESS_GUARD = (
    "CREATE OR REPLACE FUNCTION trially.enter(asked uuid, known_epoch bigint) RETURNS text"
    " LANGUAGE sql AS $$ SELECT 'entered' $$"
)


@pytest.fixture(scope="module", autouse=True)
def _strangers_wait_less():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refusal_time, "REFUSAL_SECONDS", 0.001)
        yield


@pytest.fixture(scope="module")
def proof(fleet):
    """A run of the command on the whole fleet."""
    return fleet.run("tenants", "prove", *ALL)


@pytest.fixture
def attempts_on(fleet):
    """Attack one tenant as all others; return the exit status and what came of it."""

    def attack(slug):
        result = fleet.run("tenants", "prove", slug, *ALL)
        attempts = json.loads(result.stdout)["report"]["attempts"]
        return result, attempts

    return attack


def outcome(attempts, path, attacker):
    [found] = [a for a in attempts if (a["path"], a["attacker"]) == (path, attacker)]
    return found["outcome"]


def canaries(fleet):
    places = {
        (slug if tier != "pooled" else "pooled-one", tenant.placement.schema)
        for slug, tenant in fleet.tenants.items()
        for tier in [slug.partition("-")[0]]
    }
    return sum(
        fleet.administer(f"SELECT count(*) FROM {schema}.canary", of=slug)[0][0]
        for slug, schema in places
    )


def test_a_whole_fleet_holds(proof):
    report = json.loads(proof.stdout)["report"]

    assert proof.exit_code == 0, proof.stderr
    assert len(report["tenants"]) == 6
    assert all(len(tenant["attackers"]) == 5 for tenant in report["tenants"])
    assert (report["counts"]["through"], report["counts"]["unproved"]) == (0, 0)
    assert report["counts"]["held"] > 500
    assert set(report["not_applicable"]) == {"files", "shared caches"}
    assert report["versions"]["trially"]
    assert report["versions"]["postgresql"]["default"]


def test_limits_are_between_neighbours_of_the_tiers_that_have_them(proof):
    attempts = json.loads(proof.stdout)["report"]["attempts"]
    limits = {
        (a["path"], a["tenant"], a["attacker"])
        for a in attempts
        if a["outcome"] == "documented limit"
    }

    tiers = {"own_schema": "schema", "pooled_rows": "pooled"}
    assert limits == {
        (path, f"{tiers[tier]}-{ours}", f"{tiers[tier]}-{theirs}")
        for path, tier in LIMITS.items()
        for ours, theirs in (("one", "two"), ("two", "one"))
    }


def test_what_a_tenant_has_is_asked_for_in_every_way_the_api_has(proof):
    attempts = json.loads(proof.stdout)["report"]["attempts"]
    unknown = [a for a in attempts if a["wall"].endswith("is not known")]
    sites = {a["path"]: a["wall"] for a in attempts if "<uuid:site_id>" in a["path"]}

    assert unknown == []
    assert set(sites) == {
        "API: GET /api/v1/sites/<uuid:site_id>",
        "API: PATCH /api/v1/sites/<uuid:site_id>",
    }
    assert set(sites.values()) == {"404, with a token of the built-in issuer"}


def test_nothing_is_left_and_nobody_is_named(fleet, proof):
    assert canaries(fleet) == 0
    assert "Customer" not in proof.output
    assert "owner|" not in proof.output
    assert "canary-" not in proof.output


def test_without_the_built_in_issuer_requests_go_below_the_token(fleet, attempts_on, monkeypatch):
    monkeypatch.setattr(state_of(fleet.app), "dev_issuer", None)

    result, attempts = attempts_on("schema-one")

    assert result.exit_code == 0, result.stderr
    sites = [a for a in attempts if a["path"] == "API: GET /api/v1/sites/<uuid:site_id>"]
    assert {(a["outcome"], a["wall"]) for a in sites} == {
        ("held", "404, below the check of the token, with an owner's identity")
    }


def test_a_pooler_and_replicas_are_doors_too(fleet, attempts_on, monkeypatch):
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


HOLES = {
    "CONNECT for everyone": (
        "GRANT CONNECT ON DATABASE {dedicated_one.database} TO PUBLIC",
        "REVOKE CONNECT ON DATABASE {dedicated_one.database} FROM PUBLIC",
        None,
        ("dedicated-one", "login", "dedicated-two"),
    ),
    "CONNECT for another": (
        "GRANT CONNECT ON DATABASE {dedicated_one.database} TO {dedicated_two.role}",
        "REVOKE CONNECT ON DATABASE {dedicated_one.database} FROM {dedicated_two.role}",
        None,
        ("dedicated-one", "login", "dedicated-two"),
    ),
    "CONNECT for the catalog's reader": (
        "GRANT CONNECT ON DATABASE {pooled_one.database} TO {catalog}_reader",
        "REVOKE CONNECT ON DATABASE {pooled_one.database} FROM {catalog}_reader",
        None,
        ("pooled-one", "login of the catalog's reader", None),
    ),
    "a schema's neighbour reads": (
        (
            "GRANT USAGE ON SCHEMA {schema_one.schema} TO {schema_two.role};"
            "GRANT SELECT ON {schema_one.schema}.canary TO {schema_two.role}"
        ),
        (
            "REVOKE USAGE ON SCHEMA {schema_one.schema} FROM {schema_two.role};"
            "REVOKE SELECT ON {schema_one.schema}.canary FROM {schema_two.role}"
        ),
        "schema-one",
        ("schema-one", "read by qualified name", "schema-two"),
    ),
    "a schema's login role reads": (
        (
            "GRANT USAGE ON SCHEMA {schema_one.schema} TO {schema_one.database};"
            "GRANT SELECT ON {schema_one.schema}.canary TO {schema_one.database}"
        ),
        (
            "REVOKE USAGE ON SCHEMA {schema_one.schema} FROM {schema_one.database};"
            "REVOKE SELECT ON {schema_one.schema}.canary FROM {schema_one.database}"
        ),
        "schema-one",
        ("schema-one", "read as the login role", "schema-two"),
    ),
    "a role for another": (
        "GRANT {dedicated_one.role} TO {dedicated_two.role}",
        "REVOKE {dedicated_one.role} FROM {dedicated_two.role}",
        None,
        ("dedicated-one", "SET ROLE", "dedicated-two"),
    ),
    "no CHECK": (
        "ALTER TABLE tenant.canary DROP CONSTRAINT ck_this_tenant",
        (
            "ALTER TABLE tenant.canary ADD CONSTRAINT ck_this_tenant"
            " CHECK (tenant_id = '{dedicated_two.tenant_id}')"
        ),
        "dedicated-two",
        ("pooled-one", "add", "dedicated-two"),
    ),
    "row security off": (
        "ALTER TABLE tenant.canary DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE tenant.canary ENABLE ROW LEVEL SECURITY",
        "pooled-one",
        ("pooled-one", "read without a condition", "pooled-two"),
    ),
    "a policy that lets all through": (
        "CREATE POLICY wide ON tenant.canary TO PUBLIC USING (true)",
        "DROP POLICY wide ON tenant.canary",
        "pooled-one",
        ("pooled-one", "remove", "pooled-two"),
    ),
    "TRUNCATE": (
        "GRANT TRUNCATE ON tenant.canary TO {pooled_one.role}",
        "REVOKE TRUNCATE ON tenant.canary FROM {pooled_one.role}",
        "pooled-one",
        ("pooled-one", "empty the table", "pooled-two"),
    ),
    "a careless guard": (
        CARELESS_GUARD,
        GUARD_DDL.replace("{", "{{").replace("}", "}}"),
        "dedicated-one",
        ("dedicated-one", "enter with an old epoch", None),
    ),
}


@pytest.mark.parametrize("name", HOLES)
def test_a_hole_is_found_and_named(attempts_on, hole, name):
    made, mended, of, (tenant, path, attacker) = HOLES[name]
    hole(made, mended, of)

    result, attempts = attempts_on(tenant)

    assert result.exit_code == 1
    assert outcome(attempts, path, attacker) == "through"
    as_whom = f" as {attacker}" if attacker else ""
    [sentence] = [
        line
        for line in result.stderr.splitlines()
        if line.startswith(f"{tenant}: {path}{as_whom}:")
    ]
    assert sentence.endswith((".", ";"))
    assert len(sentence.split(". ", 1)[1]) > 20


def test_a_policy_that_is_gone_shuts_everyone_out_and_proves_nothing(attempts_on, hole):
    hole("DROP POLICY tenant_rows ON tenant.canary", TENANT_ROWS, "pooled-one")

    result, attempts = attempts_on("pooled-one")

    assert result.exit_code == 1
    assert [a["outcome"] for a in attempts] == ["unproved"]


def test_a_canary_that_its_own_tenant_does_not_see_proves_nothing(fleet, attempts_on, hole):
    hole(
        "ALTER POLICY tenant_rows ON tenant.canary USING (false)",
        TENANT_ROWS.replace("CREATE", "ALTER") + ";DELETE FROM tenant.canary",
        "pooled-one",
    )

    result, attempts = attempts_on("pooled-one")

    assert result.exit_code == 1
    assert outcome(attempts, "the canary is there", None) == "unproved"


def test_a_view_that_shows_anyones_rows_is_found(fleet, attempts_on, monkeypatch):
    show_site = fleet.app.view_functions["sites.show_site"]

    @wraps(show_site)
    def careless(site_id):
        return {"id": str(site_id), "version": 1}

    monkeypatch.setitem(fleet.app.view_functions, "sites.show_site", careless)

    result, attempts = attempts_on("schema-one")

    assert result.exit_code == 1
    path = "API: GET /api/v1/sites/<uuid:site_id>"
    assert outcome(attempts, path, "dedicated-one") == "through"


def test_a_memory_that_forgets_whose_something_is_is_found(fleet, attempts_on, monkeypatch):
    class Careless(TTLCache):
        def get(self, key):
            return super().get(key[2:])

        def put(self, key, value, **options):
            super().put(key[2:], value, **options)

    monkeypatch.setattr(state_of(fleet.app), "identities", Careless(100, 5))

    result, attempts = attempts_on("dedicated-one")

    assert result.exit_code == 1
    assert outcome(attempts, "memory of members", "pooled-one") == "through"


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


def test_the_canaries_of_a_killed_run_are_removed_by_the_next(fleet, settings, attempts_on):
    url = state_of(fleet.app).servers["default"].admin_url
    environment = {name: value for name, value in os.environ.items() if "TRIALLY" not in name}
    environment |= {
        "TRIALLY_DEVELOPMENT": "1",
        "TRIALLY_INSTANCE": str(settings.instance),
        "TRIALLY_SECRET_KEY": settings.secret_key,
        "TRIALLY_DATABASE_URL": url.render_as_string(hide_password=False),
        "TRIALLY_CATALOG_DATABASE": fleet.catalog,
        "PYTHONPATH": str(ROOT),
    }
    program = Path(__file__).with_name("killed_proof.py")
    subprocess.run([sys.executable, program, "dedicated-one"], env=environment, timeout=60)
    assert canaries(fleet) == 1

    result, _ = attempts_on("dedicated-one")

    assert result.exit_code == 0, result.stderr
    assert canaries(fleet) == 0


def test_an_interrupted_run_takes_its_canary_away(fleet, monkeypatch):
    planted = []

    def interrupt(_target, _attacker):
        planted.append(canaries(fleet))
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "AS_OTHERS", (interrupt,))
    with fleet.app.app_context(), pytest.raises(KeyboardInterrupt):
        list(running.prove(running.choose_pairings(["schema-one"], 1, 1)))

    assert planted == [1]
    assert canaries(fleet) == 0


def test_the_canary_of_a_run_that_is_at_work_stays(fleet, attempts_on):
    with fleet.app.app_context(), new_run() as run:
        with canary_in(Party(get_tenant("pooled-one")), run):
            attempts_on("pooled-one")
            assert canaries(fleet) == 1
        assert canaries(fleet) == 0


def test_an_old_canary_is_removed_whoever_planted_it(fleet, attempts_on):
    schema = fleet.tenants["schema-one"].placement.schema
    with (
        fleet.app.app_context(),
        new_run() as run,
        canary_in(Party(get_tenant("schema-one")), run),
    ):
        fleet.administer(
            f"UPDATE {schema}.canary SET planted_at = now() - interval '25 hours'", of="schema-one"
        )
        attempts_on("schema-one")
        assert canaries(fleet) == 0


def test_a_seed_chooses_the_same_again_and_a_dry_run_touches_nothing(fleet):
    def pairings(*options):
        result = fleet.run("tenants", "prove", "--dry-run", "--json", "--attackers", "2", *options)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    first = pairings()
    again = pairings("--seed", first["seed"])
    others = [pairings("--seed", seed)["pairings"] for seed in range(5)]

    assert first == again
    assert any(other != first["pairings"] for other in others)
    neighbours = {p["tenant"]: p["attackers"] for p in first["pairings"]}
    assert "schema-two" in neighbours["schema-one"]
    assert "pooled-one" in neighbours["pooled-two"]
    assert all(len(set(attackers)) == 2 for attackers in neighbours.values())


def test_a_report_is_verified(fleet, tmp_path):
    path = tmp_path / "proof.json"
    fleet.run("tenants", "prove", "pooled-one", "--attackers", "1", "--out", path)
    document = json.loads(path.read_text())

    genuine = fleet.run("tenants", "prove", "--verify", path)
    document["report"]["counts"]["through"] += 1
    path.write_text(json.dumps(document))
    forged = fleet.run("tenants", "prove", "--verify", path)
    path.write_text("{}")
    nothing = fleet.run("tenants", "prove", "--verify", path)

    assert (genuine.exit_code, forged.exit_code, nothing.exit_code) == (0, 1, 1)
    assert "is as this installation signed it" in genuine.output
    assert "has been changed" in forged.output
    assert "not a signed report" in nothing.output


def test_another_installations_signature_is_refused():
    signed = sign({"format": "trially-proof/1"}, "one secret")

    assert verify(json.dumps(signed).encode(), "one secret") == {"format": "trially-proof/1"}
    with pytest.raises(ForgedReportError):
        verify(json.dumps(signed).encode(), "another secret")


def test_a_person_reads_a_table(fleet):
    result = fleet.run("tenants", "prove", "schema-one", "--seed", "7")

    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].split()[:3] == ["path", "held", "documented"]
    assert any(line.startswith("read by qualified name") and "USAGE" in line for line in lines)
    assert lines[-1].startswith("1 tenants, 3 attackers, ")
    assert lines[-1].endswith("seed 7.")


def test_an_unknown_tenant_is_said_in_one_sentence(fleet):
    result = fleet.run("tenants", "prove", "nobody")

    assert (result.exit_code, result.output) == (
        1,
        "Error: The tenant 'nobody' does not exist. `flask tenants list` shows all tenants.\n",
    )
