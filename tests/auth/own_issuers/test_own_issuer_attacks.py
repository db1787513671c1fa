"""What an owner, a stranger or a hostile issuer could try with a tenant's own issuer."""

import datetime as dt
import hmac
import time
import warnings
from collections.abc import Callable

import pytest
from crafted_tokens import b64
from http_issuers import EC, RSA, Issuer, public
from joserfc.jwk import RSAKey
from members import Member
from own_issuers import Registered, pointed, refused, register

from trially.auth.own_issuers.audiences import audience_of, read_audience
from trially.auth.roles import PhiLevel, Role
from trially.auth.support import grants
from trially.request_cycle import refusal_time
from trially.state import state_of
from trially.tenancy.operators.persons import Person

Prove = Callable[[Member, Issuer], Registered]


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strangers are answered soon."""
    monkeypatch.setattr(refusal_time, "REFUSAL_SECONDS", 0.001)


# Tokens that name another tenant


def test_a_token_is_for_its_own_tenant_whatever_it_says(
    proven: Registered, neighbour: Member
) -> None:
    ann = proven.add("ann")
    other = neighbour.tenant
    token = proven.sign("ann", **{"https://trially.ai/tenant": other.slug, "azp": other.slug})

    assert proven.client(token).get("/me").json["tenant"]["id"] == str(proven.owner.tenant.id)
    for name in (other.slug, str(other.id)):
        answer = ann.get("/me", headers={"X-Tenant-ID": name})
        assert refused(answer) == (403, "no_tenant_access")
        answer = ann.app.test_client().get(
            f"/{name}/api/v1/me", headers={"Authorization": f"Bearer {token}"}
        )
        assert refused(answer) == (403, "no_tenant_access")
    own = ann.get("/me", headers={"X-Tenant-ID": proven.owner.tenant.slug})
    assert own.status_code == 200


def test_a_member_of_two_tenants_enters_only_that_of_the_issuer(
    proven: Registered, neighbour: Member
) -> None:
    """The neighbour has a member with the very same issuer and subject."""
    ann = proven.add("ann")
    there = Registered(neighbour, proven.issuer, proven.body)
    there.add("ann")

    assert ann.get("/me").json["tenant"]["id"] == str(proven.owner.tenant.id)
    answer = ann.get("/me", headers={"X-Tenant-ID": neighbour.tenant.slug})
    assert refused(answer) == (403, "no_tenant_access")


def test_an_audience_of_another_tenant_is_refused(
    proven: Registered, neighbour: Member, other_issuer: Issuer, prove_for: Prove
) -> None:
    theirs = prove_for(neighbour, other_issuer)
    victim = theirs.add("victim")
    assert victim.get("/me").status_code == 200
    tenant_id, own_id = neighbour.tenant.id, proven.body["id"]

    for audience in (
        theirs.body["audience"],
        audience_of(tenant_id, own_id),
        [proven.body["audience"], theirs.body["audience"]],
        [proven.body["audience"], "urn:trially:other"],
        f"urn:trially:tenant:{tenant_id}",
        proven.body["audience"].upper(),
    ):
        token = proven.sign("victim", aud=audience)
        assert refused(proven.client(token).get("/me")) == (401, "invalid_token"), audience


def test_two_tenants_may_have_one_issuer_and_are_kept_apart(
    proven: Registered, neighbour: Member, prove_for: Prove
) -> None:
    theirs = prove_for(neighbour, proven.issuer)
    ours, other = proven.add("ann"), theirs.add("bo")

    assert ours.get("/me").json["tenant"]["id"] == str(proven.owner.tenant.id)
    assert other.get("/me").json["tenant"]["id"] == str(neighbour.tenant.id)
    assert refused(proven.client(proven.sign("bo")).get("/me")) == (403, "no_tenant_access")
    assert refused(theirs.client(theirs.sign("ann")).get("/me")) == (403, "no_tenant_access")
    assert neighbour.delete(theirs.path).status_code == 204
    assert ours.get("/me").status_code == 200
    assert refused(other.get("/me")) == (401, "invalid_token")


# Proofs


def test_a_registration_without_proof_gives_nothing(registered: Registered) -> None:
    ann = registered.add("ann")
    assert refused(ann.get("/me")) == (401, "invalid_token")
    assert registered.issuer.paths == [], "A stranger's token made trially fetch."


def test_tokens_that_prove_nothing(
    registered: Registered, neighbour: Member, other_issuer: Issuer
) -> None:
    stranger = RSAKey.generate_key(2048, {"kid": RSA.kid})
    now = int(time.time())
    theirs = register(neighbour, other_issuer)
    for token, detail in {
        registered.sign("x", aud="an app of strangers"): "audience",
        registered.sign("x", aud=theirs.body["audience"]): "audience",
        registered.sign("x", aud=[registered.body["audience"], theirs.body["audience"]]): "two",
        registered.sign("x", iss=other_issuer.url): "another issuer",
        registered.sign("x", key=stranger): "signature",
        registered.sign("x", header={"typ": "JWT"}): "ID token",
        registered.sign("x", iat=now - 700, exp=now + 600): "10 minutes",
        registered.sign("x", iat=now - 4000, exp=now - 100): "past",
        registered.sign("x", exp=now + 90_000): "max_lifetime_seconds",
        theirs.sign("x"): "another issuer",
        "not.a.token": "JWT",
    }.items():
        status, pointer, found = pointed(registered.present(token))
        assert (status, pointer) == (422, "/token")
        assert detail in found, found
    assert registered.show()["status"] == "pending"


def test_a_proof_of_one_tenant_proves_nothing_for_another(
    registered: Registered, neighbour: Member
) -> None:
    theirs = register(neighbour, registered.issuer)
    token = registered.sign("owner-at-home")
    assert pointed(theirs.present(token))[:2] == (422, "/token")
    assert registered.present(token).status_code == 200
    assert theirs.show()["status"] == "pending"


def test_a_registration_that_comes_back_needs_another_proof(
    proven: Registered, pooled_owner: Member
) -> None:
    ann = proven.add("ann")
    assert pooled_owner.delete(proven.path).status_code == 204
    again = register(pooled_owner, proven.issuer)
    assert again.body["status"] == "pending"
    assert again.body["audience"] != proven.body["audience"]
    again.prove()
    assert refused(ann.get("/me")) == (401, "invalid_token"), "A token of before came back."


# Other APIs, and operators


def test_tokens_of_a_tenants_issuer_are_none_of_other_apis(proven: Registered) -> None:
    client = proven.add("ann", Role.OWNER)
    rules = [rule for rule in client.app.url_map.iter_rules() if "GET" in rule.methods]
    others = [
        rule.rule
        for rule in rules
        if rule.rule.startswith(("/api/v1/platform/", "/api/v1/organisation"))
        and not rule.arguments
    ]
    assert any("platform" in path for path in others)
    assert any("organisation" in path for path in others)
    for path in others:
        assert client.get(path).status_code == 401, path
    for audience in ("https://api.trially.ai/platform", "https://api.trially.ai/organisations"):
        token = proven.sign("ann", aud=[proven.body["audience"], audience])
        assert refused(proven.client(token).get("/me")) == (401, "invalid_token")


def test_a_tenants_issuer_cannot_speak_for_an_operator(
    proven: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The support grant names exactly the issuer and subject that the tenant's issuer signs."""
    with proven.owner.app.app_context():
        requested = grants.request_grant(
            proven.owner.tenant.slug,
            "operator",
            issuer=proven.issuer.url,
            reason="The import stops.",
            ticket="T-1",
            duration=dt.timedelta(hours=1),
            role=Role.ADMIN,
            phi_level=PhiLevel.FULL,
        )
        monkeypatch.setattr(grants, "current_person", lambda: Person("kim", "here"))
        grants.approve_grant(requested.id)

    for headers in ({}, {"X-Tenant-ID": proven.owner.tenant.slug}):
        answer = proven.client(proven.sign("operator")).get("/me", headers=headers)
        assert refused(answer) == (403, "no_tenant_access")


def test_an_operator_with_support_access_registers_nothing(
    pooled_owner: Member, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = pooled_owner.app
    with app.app_context():
        requested = grants.request_grant(
            pooled_owner.tenant.slug,
            "ops|7",
            issuer=state_of(app).dev_issuer.url,
            reason="The import stops.",
            ticket="T-1",
            duration=dt.timedelta(hours=1),
            role=Role.ADMIN,
            phi_level=PhiLevel.FULL,
        )
        monkeypatch.setattr(grants, "current_person", lambda: Person("kim", "here"))
        grants.approve_grant(requested.id)
    token = state_of(app).dev_issuer.issue_token(subject="ops|7", tenant=pooled_owner.tenant.slug)
    operator = Member(app.test_client(), token, pooled_owner.tenant, "ops|7")
    assert operator.get("/issuers").status_code == 200

    answer = operator.post("/issuers", json={"issuer": issuer.url})

    assert refused(answer) == (403, "missing_permission")


# Keys


def signed_with_the_public_key(token: str) -> str:
    """Return a token with the same claims, and an HMAC whose secret is the issuer's public key."""
    payload = token.split(".")[1]
    signing_input = f"{b64({'alg': 'HS256', 'typ': 'at+jwt', 'kid': RSA.kid})}.{payload}"
    secret = RSA.as_pem(private=False)
    return f"{signing_input}.{b64(hmac.digest(secret, signing_input.encode(), 'sha256'))}"


def test_weak_tokens_are_refused(proven: Registered) -> None:
    ann = proven.add("ann")
    assert ann.get("/me").status_code == 200
    unsigned = ann.token.rpartition(".")[0] + "."
    padded = RSAKey.import_key(RSA.raw_value, {"kid": RSA.kid, "alg": "PS256"})
    for token in (
        signed_with_the_public_key(ann.token),
        unsigned,
        proven.sign("ann", header={"typ": "JWT"}),
        proven.sign("ann", key=padded, header={"alg": "PS256"}),
        proven.sign("ann", key=RSAKey.generate_key(2048, {"kid": RSA.kid})),
    ):
        assert refused(proven.client(token).get("/me")) == (401, "invalid_token")


def test_weak_keys_are_no_keys(registered: Registered) -> None:
    with warnings.catch_warnings(action="ignore"):
        weak = RSAKey.generate_key(1024, {"kid": "weak"})
    registered.issuer.publish(weak)
    assert registered.present(registered.sign("x", key=weak)).status_code == 503
    report = registered.owner.post(f"{registered.path}/test").json
    assert (report["is_usable"], report["keys"]) == (False, [])
    assert "no usable key" in report["checks"][-1]["detail"]


def test_a_changed_key_set_is_followed(proven: Registered) -> None:
    ann = proven.add("ann")
    assert ann.get("/me").status_code == 200
    successor = RSAKey.generate_key(2048, {"kid": "rs-2"})
    proven.issuer.publish(successor)

    answer = proven.client(proven.sign("ann", key=successor)).get("/me")

    assert answer.status_code == 200
    withdrawn = proven.client(proven.sign("ann", jti="other")).get("/me")
    assert withdrawn.status_code in (401, 503)


def test_an_issuer_cannot_publish_endless_keys(registered: Registered) -> None:
    many = [public(EC, kid=f"es-{number}") for number in range(51)]
    registered.issuer.publish(RSA, *many)
    assert registered.present(registered.sign("x")).status_code == 503
    report = registered.owner.post(f"{registered.path}/test").json
    assert "more than 50 keys" in report["checks"][-1]["detail"]


# The form of audiences


def test_audiences_name_one_tenant_and_one_issuer(proven: Registered) -> None:
    named = read_audience(proven.body["audience"])
    assert named is not None
    assert str(named.issuer_id) == proven.body["id"]
    for other in (None, 7, [], {}, "", "urn:trially:", proven.body["audience"] + "\n", ["a", 1]):
        assert read_audience(other) is None
