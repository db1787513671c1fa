import json
import time
from dataclasses import replace
from uuid import uuid4

import pytest

from trially import create_app
from trially.state import state_of
from trially.tenancy.lifecycle.status import suspend_tenant

NO_TENANT = "Error: The tenant 'nobody' does not exist. `flask tenants list` shows all tenants.\n"


def test_members_are_added_listed_and_removed(run_command, tenant):
    add = ("tenants", "members", "add", tenant.slug, "--subject", "ann [x]", "--role", "viewer")
    listed = ("tenants", "members", "list", tenant.slug)
    remove = ("tenants", "members", "remove", tenant.slug, "--subject", "ann [x]", "--yes")

    assert run_command(*add).output == f"Added ann [x] to {tenant.slug} as viewer.\n"
    again = run_command(*add)
    assert (again.exit_code, again.output) == (
        0,
        f"ann [x] is a member of {tenant.slug} already, as viewer. Nothing was changed.\n",
    )
    differing = run_command(*add[:-1], "admin")
    assert (differing.exit_code, differing.output) == (
        1,
        (
            "Error: 'ann [x]' is already a member. Change the member with "
            "`flask tenants members change`.\n"
        ),
    )
    (member,) = json.loads(run_command(*listed, "--json").output)
    assert (member["subject"], member["role"]) == ("ann [x]", "viewer")
    assert "ann [x]" in run_command(*listed).output
    assert json.loads(run_command(*remove, "--json").output) == {
        "tenant": tenant.slug,
        "subject": "ann [x]",
        "removed": True,
    }
    gone = run_command(*remove)
    assert gone.exit_code == 1
    assert gone.output.startswith(
        "Error: 'ann [x]' of the issuer 'http://127.0.0.1:5000/dev-issuer'"
    )
    assert gone.output.endswith(" is not a member. Check --subject and --issuer.\n")


def test_an_added_member_is_json(run_command, tenant):
    result = run_command(
        *("tenants", "members", "add", tenant.slug, "--subject", "ann", "--role", "owner"),
        *("--issuer", "https://login.example", "--name", "Ann", "--email", "a@x.org", "--json"),
    )

    member = json.loads(result.output)
    assert member | {"id": "", "created_at": ""} == {
        "id": "",
        "issuer": "https://login.example",
        "subject": "ann",
        "display_name": "Ann",
        "email": "a@x.org",
        "role": "owner",
        "phi_level": "full",
        "site_ids": None,
        "created_at": "",
    }


def test_a_member_is_restricted_to_a_level_and_to_sites(run_command, tenant, as_member):
    admin = as_member(tenant)
    sites = [admin.post("/sites", json={"name": name}).json["id"] for name in ("A", "B")]
    add = ("tenants", "members", "add", tenant.slug, "--role", "admin", "--subject")

    member = json.loads(
        run_command(
            *(*add, "ann", "--phi-level", "limited", "--json"),
            *(part for site in sites for part in ("--site", site)),
        ).output
    )
    listed = json.loads(run_command("tenants", "members", "list", tenant.slug, "--json").output)
    elsewhere = str(uuid4())
    unknown = run_command(*add, "bob", "--site", elsewhere)
    unusable = run_command(*add, "bob", "--phi-level", "some")

    assert (member["phi_level"], sorted(member["site_ids"])) == ("limited", sorted(sites))
    assert member in listed
    assert (unknown.exit_code, unknown.output) == (
        1,
        f"Error: A site does not exist in this tenant: {elsewhere}.\n",
    )
    assert unusable.exit_code == 2
    assert [one["subject"] for one in listed if one["subject"] == "bob"] == []


def test_a_member_is_changed_and_the_rest_stays(run_command, tenant, as_member):
    admin = as_member(tenant)
    here, there = (admin.post("/sites", json={"name": name}).json["id"] for name in ("A", "B"))
    named = ("tenants", "members", "change", tenant.slug, "--subject", "ann")
    first = json.loads(
        run_command(
            *("tenants", "members", "add", tenant.slug, "--subject", "ann", "--role", "admin"),
            *("--name", "Ann", "--json"),
        ).output
    )

    def changed(*options):
        return json.loads(run_command(*named, *options, "--json").output)

    assert changed("--role", "viewer") == {**first, "role": "viewer"}
    assert changed("--site", here) == {**first, "role": "viewer", "site_ids": [here]}
    assert changed("--phi-level", "none", "--site", there) == {
        **first,
        "role": "viewer",
        "phi_level": "none",
        "site_ids": [there],
    }
    assert changed("--role", "owner")["site_ids"] == [there]
    assert changed("--all-sites")["site_ids"] is None
    assert run_command(*named, "--site", here, "--site", there).output == (
        f"Changed ann of {tenant.slug}: role owner, PHI level none, sites 2.\n"
    )


def test_a_change_that_cannot_be_made_changes_nothing(run_command, tenant):
    named = ("tenants", "members", "change", tenant.slug, "--subject")
    run_command("tenants", "members", "add", tenant.slug, "--subject", "ann", "--role", "admin")
    before = run_command("tenants", "members", "list", tenant.slug, "--json").output
    site = str(uuid4())

    stranger = run_command(*named, "bob", "--role", "viewer")
    nowhere = run_command(*named, "ann", "--role", "viewer", "--site", site)
    unclear = [
        run_command(*named, "ann"),
        run_command(*named, "ann", "--site", site, "--all-sites"),
        run_command(*named, "ann", "--role", "king"),
    ]

    assert stranger.exit_code == 1
    assert stranger.output.startswith("Error: 'bob' of the issuer ")
    assert (nowhere.exit_code, nowhere.output) == (
        1,
        f"Error: A site does not exist in this tenant: {site}.\n",
    )
    assert [result.exit_code for result in unclear] == [2, 2, 2]
    assert run_command("tenants", "members", "list", tenant.slug, "--json").output == before


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (("change", "--role", "viewer"), {"role": "viewer"}),
        (("change", "--phi-level", "none"), {"phi_level": "none"}),
        (("remove", "--yes"), None),
    ],
)
def test_a_change_acts_within_five_seconds(
    app, settings, run_command, tenant, as_member, monkeypatch, change, shown
):
    member = as_member(tenant)
    assert member.get("/me").status_code == 200
    verb, *options = change
    run_command("tenants", "members", verb, tenant.slug, "--subject", member.subject, *options)
    identities = state_of(app).identities
    monkeypatch.setattr(identities, "_clock", lambda: time.monotonic() + 5)

    answer = member.get("/me")

    assert settings.placement_max_age_seconds == 5
    assert answer.status_code == (403 if shown is None else 200)
    assert shown is None or answer.json | shown == answer.json


def test_a_token_is_printed_alone_and_works(app, run_command, tenant):
    result = run_command("tenants", "token", tenant.slug, "--role", "recruiter")
    token = result.output.removesuffix("\n")
    as_json = json.loads(
        run_command("tenants", "token", tenant.slug, "--role", "recruiter", "--json").output
    )

    assert result.exit_code == 0
    assert token.count(".") == 2
    assert not set(token) & set(" \n")
    assert set(as_json) == {"access_token", "token_type", "expires_in"}
    for each in (token, as_json["access_token"]):
        answer = app.test_client().get("/api/v1/me", headers={"Authorization": f"Bearer {each}"})
        assert answer.status_code == 200
        assert answer.json["role"] == "recruiter"


@pytest.mark.parametrize(
    "arguments",
    [
        ("members", "list", "nobody"),
        ("members", "add", "nobody", "--subject", "ann", "--role", "viewer"),
        ("members", "remove", "nobody", "--subject", "ann"),
        ("members", "change", "nobody", "--subject", "ann", "--role", "viewer"),
        ("token", "nobody", "--role", "viewer"),
    ],
)
def test_an_unknown_tenant_is_one_sentence(run_command, arguments):
    result = run_command("tenants", *arguments)

    assert (result.exit_code, result.output) == (1, NO_TENANT)


def test_a_suspended_tenant_is_one_sentence(app, run_command, tenant):
    with app.app_context():
        suspend_tenant(tenant.slug)

    result = run_command("tenants", "token", tenant.slug, "--role", "viewer")

    assert (result.exit_code, result.output) == (1, "Error: The tenant is suspended.\n")


def test_there_are_no_tokens_without_the_built_in_issuer(settings, app, tenant):
    runner = create_app(replace(settings, dev_issuer=False)).test_cli_runner()

    result = runner.invoke(args=["tenants", "token", tenant.slug, "--role", "viewer"])

    assert (result.exit_code, result.output) == (
        1,
        (
            "Error: The built-in issuer is off (TRIALLY_DEV_ISSUER). Get tokens from your own "
            "issuer.\n"
        ),
    )
