"""A tenant that is restored as a new one has the settings of the archive, and not the domain."""

import json
from collections.abc import Callable
from typing import Any

from flask import Flask
from members import AsMember, Member
from owners import OwnerIn, RunJobs

from trially.auth.roles import Role
from trially.organisation.public.branding import PublicBranding
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle.listing import get_tenant

PATH = "/settings/branding"
SETTINGS = {"locale": "de-AT", "audit_retention_years": 12}
BRANDING = {"product_name": "Heartland Trials", "primary_color": "#0b5d5b"}
LOGO = b'<svg xmlns="http://www.w3.org/2000/svg"><circle r="5"/></svg>'


def test_settings_of_a_tenant_restored_as_a_new_one(
    app: Flask,
    owner_in: OwnerIn,
    as_member: AsMember,
    run_command: Callable[..., Any],
    run_jobs: RunJobs,
    tier: Tier,
) -> None:
    owner = owner_in(tier)
    choose_everything(owner)
    run_jobs()
    before = owner.get(PATH).json

    again = as_member(restored(app, run_command, owner.tenant), Role.OWNER)

    settings, branding = again.get("/settings").json, again.get(PATH).json
    assert {name: settings[name] for name in SETTINGS} == SETTINGS
    assert {name: branding[name] for name in BRANDING} == BRANDING
    assert branding["logo_url"] == before["logo_url"]
    assert (branding["domain"], branding["domain_state"]) == (None, None)
    assert owner.get(PATH).json == before


def test_a_restored_tenant_publishes_what_it_has_and_not_the_domain(
    app: Flask, owner_in: OwnerIn, run_command: Callable[..., Any], run_jobs: RunJobs, tier: Tier
) -> None:
    owner = owner_in(tier)
    choose_everything(owner)
    run_jobs()

    tenant = restored(app, run_command, owner.tenant)

    state_of(app).public_branding = PublicBranding()
    public = app.test_client().get(f"/api/v1/branding?slug={tenant.slug}").json
    assert {name: public[name] for name in BRANDING} == BRANDING
    assert public["locale"] == SETTINGS["locale"]
    assert app.test_client().get(public["logo_url"]).status_code == 200


def choose_everything(owner: Member) -> None:
    """Choose settings, branding, a domain and a logo."""
    domain = {"domain": f"{owner.tenant.slug}.example.org"}
    image = {"Content-Type": "image/svg+xml"}
    changed = [owner.patch("/settings", json=SETTINGS), owner.patch(PATH, json=BRANDING | domain)]
    headers = {**image, "If-Match": changed[1].headers["ETag"]}
    changed.append(owner.request("PUT", f"{PATH}/logo", data=LOGO, headers=headers))
    assert [answer.status_code for answer in changed] == [200, 200, 200]


def restored(app: Flask, run_command: Callable[..., Any], tenant: Tenant) -> Tenant:
    """Return a new tenant with what an archive of another one holds."""
    slug = f"{tenant.slug}-again"
    [archive] = json.loads(run_command("tenants", "backup", tenant.slug, "--json").stdout)
    result = run_command("tenants", "restore", archive["archive"], "--as", slug)
    assert result.exit_code == 0, result.output
    with app.app_context():
        return get_tenant(slug)
