"""An owner registers an issuer, proves it, and its persons work in that tenant alone."""

import json
from dataclasses import replace

from http_issuers import Issuer
from members import AsMember, MakeTenant, Member
from own_issuers import Registered, log_of, pointed, refused, register

from trially.auth.roles import Role
from trially.state import state_of
from trially.tenancy.catalog_choices import Tier


def test_members_of_a_proven_issuer_work_in_the_tenant(owner: Member, issuer: Issuer) -> None:
    registered = register(owner, issuer)
    assert registered.body["status"] == "pending"
    assert registered.body["audience"] == (
        f"urn:trially:tenant:{owner.tenant.id}:issuer:{registered.body['id']}"
    )
    ann = registered.add("ann")
    assert refused(ann.get("/me")) == (401, "invalid_token")

    registered.prove()

    assert registered.show()["status"] == "active"
    me = ann.get("/me")
    assert (me.status_code, me.json["issuer"], me.json["subject"]) == (200, issuer.url, "ann")
    created = ann.post(
        "/patients",
        json={
            "mrn": "1",
            "given_name": "A",
            "family_name": "B",
            "birth_date": "1960-05-17",
            "sex": "female",
        },
    )
    assert created.status_code == 201, created.text
    assert owner.get(f"/patients/{created.json['id']}").status_code == 200


def test_invited_persons_become_members_at_the_issuer(owner: Member, issuer: Issuer) -> None:
    registered = register(owner, issuer)
    invitation = {"issuer": issuer.url, "subject": "bo", "role": "viewer"}
    assert pointed(owner.post("/invitations", json=invitation))[1] == "/issuer"
    registered.prove()

    assert owner.post("/invitations", json=invitation).status_code == 201
    by_email = {"issuer": issuer.url, "email": "cy@clinic.example", "role": "viewer"}
    assert owner.post("/invitations", json=by_email).status_code == 201

    assert registered.client(registered.sign("bo")).get("/me").json["role"] == "viewer"
    cy = registered.sign("cy", email="CY@clinic.example", email_verified=True)
    assert registered.client(cy).get("/me").json["role"] == "viewer"
    assert refused(registered.client(registered.sign("dee")).get("/me")) == (
        403,
        "no_tenant_access",
    )


def test_a_neighbour_does_not_see_the_issuer(
    owner: Member, issuer: Issuer, make_tenant: MakeTenant, as_member: AsMember, tier: Tier
) -> None:
    registered = register(owner, issuer)
    neighbour = as_member(make_tenant(tier), Role.OWNER)

    assert neighbour.get("/issuers").json["data"] == []
    for verb, path, options in (
        ("GET", "", {}),
        ("PATCH", "", {"json": {"name": "Mine"}}),
        ("DELETE", "", {}),
        ("POST", "/test", {}),
        ("POST", "/prove", {"json": {"token": registered.sign("ann")}}),
    ):
        if verb == "PATCH":
            options["content_type"] = "application/merge-patch+json"
        answer = neighbour.request(
            verb, registered.path + path, headers={"If-Match": "*"}, **options
        )
        assert refused(answer) == (404, "not_found"), (verb, path)
    assert registered.show() == registered.body


def test_the_audit_log_says_who_did_what(owner: Member, issuer: Issuer) -> None:
    registered = register(owner, issuer)
    token = registered.sign("owner-at-home")
    assert registered.present(token).status_code == 200
    assert owner.patch(registered.path, json={"is_enabled": False}).status_code == 200
    assert owner.delete(registered.path).status_code == 204

    own_id = owner.get("/me").json["id"]
    records = [
        record
        for record in owner.get("/audit?limit=200").json["data"]
        if any(change["table"] == "tenant_issuer" for change in record["changes"])
    ]
    assert [record["member"]["id"] for record in records] == [own_id] * 4
    changed = [record["changes"][0]["values"] for record in reversed(records)]
    assert changed[0]["issuer"] == [None, issuer.url]
    assert changed[1]["proven_at"][0] is None
    assert changed[2] == {"is_enabled": [True, False]}
    assert changed[3] == {"issuer": [issuer.url, None]}
    assert token not in log_of(owner)


def test_only_owners_change_issuers(
    pooled_owner: Member, registered: Registered, as_member: AsMember
) -> None:
    def may(member: Member) -> list[int]:
        return [
            member.get("/issuers").status_code,
            member.post("/issuers", json={"issuer": "https://a.example"}).status_code,
            member.post(f"{registered.path}/test").status_code,
            member.delete(registered.path, headers={"If-Match": '"9"'}).status_code,
        ]

    tenant = pooled_owner.tenant
    site = pooled_owner.post("/sites", json={"name": "Here"}).json["id"]
    assert may(as_member(tenant, Role.ADMIN)) == [200, 403, 403, 403]
    assert may(as_member(tenant, Role.COORDINATOR)) == [403] * 4
    for limits in ({"phi_level": "limited"}, {"phi_level": "none"}, {"site_ids": [site]}):
        assert may(as_member(tenant, Role.OWNER, **limits)) == [200, 403, 403, 403]


def test_api_keys_and_supporters_change_no_issuers(pooled_owner: Member) -> None:
    key = pooled_owner.post(
        "/api-keys",
        json={"name": "k", "scopes": ["issuers:write"], "phi_level": "none", "valid_days": 1},
    )
    assert key.status_code == 422


def test_a_tenant_registers_few_issuers(pooled_owner: Member) -> None:
    for number in range(3):
        body = {"issuer": f"https://login-{number}.example"}
        assert pooled_owner.post("/issuers", json=body).status_code == 201
    again = pooled_owner.post("/issuers", json={"issuer": "https://login-0.example"})
    assert refused(again) == (409, "already_exists")
    many = pooled_owner.post("/issuers", json={"issuer": "https://login-3.example"})
    assert refused(many) == (409, "conflict")
    assert pooled_owner.get("/issuers").json["most"] == 3


def test_an_owner_changes_an_issuer_by_its_version(registered: Registered) -> None:
    owner, path = registered.owner, registered.path
    changed = owner.patch(path, json={"name": "", "max_lifetime_seconds": 120})
    assert (changed.json["name"], changed.json["max_lifetime_seconds"]) == ("", 120)
    stale = {"headers": {"If-Match": registered.body["etag"]}}
    assert refused(owner.patch(path, json={"name": "x"}, **stale)) == (412, "version_conflict")
    assert refused(owner.delete(path, **stale)) == (412, "version_conflict")
    other = owner.patch(path, json={"issuer": "https://evil.example"})
    assert other.status_code == 422
    assert registered.show()["issuer"] == registered.issuer.url


def test_operators_list_and_remove_issuers(proven: Registered, run_command) -> None:
    slug, issuer_id = proven.owner.tenant.slug, proven.body["id"]
    ann = proven.add("ann")
    assert ann.get("/me").status_code == 200
    run_command("tenants", "connections", "add", slug, f"con-{slug}")

    listed = json.loads(run_command("tenants", "connections", "list", slug, "--json").output)

    assert listed == [
        {"connection_id": f"con-{slug}", "origin": "operator", "issuer": None, "state": None},
        {
            "connection_id": issuer_id,
            "origin": "tenant",
            "issuer": proven.issuer.url,
            "state": "active",
        },
    ]
    removed = run_command("tenants", "connections", "remove", slug, issuer_id, "--yes")
    assert removed.exit_code == 0, removed.output
    assert refused(ann.get("/me")) == (401, "invalid_token")
    assert refused(proven.owner.get(proven.path)) == (404, "not_found")


def test_without_the_setting_no_issuer_counts(proven: Registered) -> None:
    ann = proven.add("ann")
    known = state_of(ann.app).own_issuers
    settings = known._settings
    known._settings = replace(settings, own_issuers_per_tenant=0)
    state_of(ann.app).token_verifier._valid.forget(lambda _: True)
    try:
        assert refused(ann.get("/me")) == (401, "invalid_token")
    finally:
        known._settings = settings
    assert ann.get("/me").status_code == 200
