"""A pinned instance serves its tenant, and refuses every other tenant as unknown."""

import json

import pytest

from trially.state import state_of
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.context import tenant_context
from trially.tenancy.directory import UnknownTenantError, directory
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.lifecycle.status import list_tenants, rename_tenant
from trially.tenancy.schema.installing import install

OWNER = {"owner": "someone"}


@pytest.fixture
def pinned(blank_app):
    """A pinned instance on a catalog with another tenant."""
    shared, own = blank_app(), blank_app(pinned_tenant="ours")
    with shared.app_context():
        install()
        create_tenant("theirs", "Theirs", parameters=OWNER)
    with own.app_context():
        create_tenant("ours", "Ours", parameters=OWNER)
    own.theirs = shared
    yield own
    for app in (shared, own):
        with app.app_context():
            control_engine().dispose()


@pytest.fixture
def run(pinned):
    """Run a command of the pinned instance, and return its status and output."""

    def run_command(*arguments):
        result = pinned.test_cli_runner().invoke(args=arguments)
        return result.exit_code, result.output

    return run_command


@pytest.fixture
def ask(pinned):
    """Send a request as a member of a tenant; return the status, the body and the header names."""

    def send(tenant, path="/api/v1/me", **headers):
        token = state_of(pinned).dev_issuer.issue_token(subject="someone", tenant=tenant)
        bearer = {"Authorization": f"Bearer {token}"}
        answer = pinned.test_client().get(path, headers={**bearer, **headers})
        body = {name: value for name, value in answer.json.items() if name != "request_id"}
        names = sorted(name for name, _ in answer.headers)
        return answer.status_code, body, names

    return send


def test_a_pinned_instance_serves_its_tenant(pinned, ask):
    with pinned.app_context():
        ours = directory().find("ours")

    for name in ("ours", str(ours.tenant_id)):
        status, body, _ = ask(name)
        assert (status, body["tenant"]["slug"]) == (200, "ours")
        assert ask(name, **{"X-Tenant-ID": name})[0] == 200
    assert ask("ours", "/ours/api/v1/me")[0] == 200


def test_a_token_for_another_tenant_is_refused_like_one_for_an_unknown_tenant(pinned, ask):
    with pinned.theirs.app_context():
        theirs = str(directory().find("theirs").tenant_id)
    unknown = ask("unknown")

    assert unknown[0] == 403
    for name in ("theirs", theirs):
        assert ask(name) == unknown
        assert ask(name, **{"X-Tenant-ID": name}) == unknown
        assert ask(name, **{"X-Tenant-ID": "ours"}) == unknown
        assert ask(name, f"/{name}/api/v1/me") == unknown
        assert ask("ours", **{"X-Tenant-ID": name}) == unknown
        assert ask("ours", f"/{name}/api/v1/me") == unknown


def test_other_tenants_are_not_entered(pinned):
    with pinned.app_context():
        assert [tenant.slug for tenant in list_tenants()] == ["ours"]
        with pytest.raises(UnknownTenantError), tenant_context("theirs"):
            pass


def test_commands_refuse_every_other_tenant(run):
    unknown = (
        1,
        "Error: The tenant 'theirs' does not exist. `flask tenants list` shows all tenants.\n",
    )
    pinned = (1, "Error: This instance serves the tenant 'ours' only (TRIALLY_PINNED_TENANT).\n")

    assert run("tenants", "show", "theirs") == unknown
    assert run("tenants", "suspend", "theirs") == unknown
    assert run("tenants", "rename", "theirs", "mine") == unknown
    assert run("tenants", "revoke", "theirs") == unknown
    assert run("tenants", "members", "list", "theirs") == unknown
    assert "theirs" not in run("tenants", "list")[1]
    assert run("tenants", "create", "another", "--name", "X") == pinned
    assert run("tenants", "create", "theirs", "--name", "X") == pinned
    assert run("tenants", "silo", "another", "--out", "/tmp/never") == (
        1,
        "Error: This instance is a silo. Run the command in the shared installation.\n",
    )


def test_its_tenant_is_placed_in_a_silo(run):
    shown = json.loads(run("tenants", "show", "ours", "--json")[1])

    assert shown["tier"] == Tier.SILO
    assert shown["schema"] == "tenant"


def test_the_pin_follows_a_renamed_tenant(pinned, ask):
    with pinned.app_context():
        rename_tenant("ours", "ours-too")

        assert [tenant.slug for tenant in list_tenants()] == ["ours-too"]
    for name in ("ours", "ours-too"):
        assert ask(name)[0] == 200
        assert ask(name, f"/{name}/api/v1/me")[0] == 200


def test_readiness_names_no_tenant(pinned):
    answer = pinned.test_client().get("/readyz")

    assert answer.json == {
        "status": "ok",
        "checks": {"catalog": "ok", "keys": "ok", "migrations": "ok", "jobs": "ok"},
    }


def test_a_silo_is_not_created_on_a_shared_instance(run_command):
    result = run_command("tenants", "create", "alone", "--name", "X", "--tier", "silo")

    assert result.exit_code == 1
    assert "`flask tenants silo SLUG --out DIR`" in result.output
    assert run_command("tenants", "show", "alone").exit_code == 1
