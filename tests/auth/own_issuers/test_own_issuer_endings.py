"""How an issuer's tokens end, and that owners keep a way in."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask
from http_issuers import Issuer
from members import AsMember, Member
from own_issuers import Registered, refused, register

from trially import create_app
from trially.auth.roles import Role
from trially.config import Settings
from trially.state import state_of
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.own_issuers import TenantIssuer

MAX_AGE = 0.2
ENDS: dict[str, Callable[[Registered], None]] = {
    "disabled": lambda each: each.owner.patch(each.path, json={"is_enabled": False}),
    "removed": lambda each: each.owner.delete(each.path),
}


@pytest.fixture(scope="module")
def worker(app: Flask, settings: Settings) -> Flask:
    """Another process of the same installation, whose cached entries expire soon."""
    worker = create_app(replace(settings, placement_max_age_seconds=MAX_AGE))
    worker.config["PROPAGATE_EXCEPTIONS"] = False
    return worker


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_an_ended_issuer_ends_its_tokens_in_all_processes(
    owner: Member, issuer: Issuer, worker: Flask, end: Callable[[Registered], None]
) -> None:
    registered = register(owner, issuer)
    registered.prove()
    here = registered.add("ann")
    there = here.through(worker)
    assert [here.get("/me").status_code, there.get("/me").status_code] == [200, 200]

    end(registered)

    assert refused(here.get("/me")) == (401, "invalid_token")
    time.sleep(2 * MAX_AGE)
    assert refused(there.get("/me")) == (401, "invalid_token")
    assert owner.get("/me").status_code == 200


def test_the_usual_settings_end_tokens_within_five_seconds(settings: Settings) -> None:
    assert settings.placement_max_age_seconds <= 5


def test_an_enabled_issuer_counts_again(proven: Registered) -> None:
    ann = proven.add("ann")
    ENDS["disabled"](proven)
    assert refused(ann.get("/me")) == (401, "invalid_token")
    assert proven.owner.patch(proven.path, json={"is_enabled": True}).status_code == 200
    assert ann.get("/me").status_code == 200


def test_a_shorter_lifetime_ends_longer_tokens(proven: Registered) -> None:
    ann = proven.add("ann")
    assert ann.get("/me").status_code == 200
    assert proven.owner.patch(proven.path, json={"max_lifetime_seconds": 300}).status_code == 200
    assert refused(ann.get("/me")) == (401, "invalid_token")


def test_the_last_owners_way_in_is_kept(proven: Registered, as_member: AsMember) -> None:
    owner, tenant = proven.owner, proven.owner.tenant
    at_home = proven.add("root", Role.OWNER)
    # The owner who signs in elsewhere makes room: from now on all owners sign in at the issuer.
    demoted = at_home.patch(f"/members/{owner.get('/me').json['id']}", json={"role": "admin"})
    assert demoted.status_code == 200, demoted.text

    expected = (409, "no_owner_could_sign_in")
    assert refused(at_home.patch(proven.path, json={"is_enabled": False})) == expected
    assert refused(at_home.delete(proven.path)) == expected
    assert at_home.patch(proven.path, json={"name": "Still here"}).status_code == 200
    assert at_home.get("/me").status_code == 200

    as_member(tenant, Role.OWNER)
    assert at_home.patch(proven.path, json={"is_enabled": False}).status_code == 200
    assert refused(at_home.get("/me")) == (401, "invalid_token")


def test_the_last_owner_who_can_sign_in_stays(proven: Registered, as_member: AsMember) -> None:
    owner = proven.owner
    proven.add("root", Role.OWNER)
    assert owner.patch(proven.path, json={"is_enabled": False}).status_code == 200
    own = f"/members/{owner.get('/me').json['id']}"

    expected = (409, "no_owner_could_sign_in")
    assert refused(owner.patch(own, json={"role": "admin"})) == expected
    assert refused(owner.delete(own)) == expected

    as_member(owner.tenant, Role.OWNER)
    assert owner.delete(own).status_code == 204


def test_force_ends_the_last_owners_way_in(proven: Registered) -> None:
    owner = proven.owner
    at_home = proven.add("root", Role.OWNER)
    at_home.patch(f"/members/{owner.get('/me').json['id']}", json={"role": "admin"})

    etag = proven.show()["etag"]
    answer = at_home.request(
        "DELETE", proven.path, headers={"If-Match": etag}, query_string={"force": "true"}
    )

    assert answer.status_code == 204, answer.text
    assert refused(at_home.get("/me")) == (401, "invalid_token")


def test_another_issuer_of_the_tenant_is_a_way_in(
    proven: Registered, other_issuer: Issuer, prove_for: Callable[..., Registered]
) -> None:
    owner = proven.owner
    second = prove_for(owner, other_issuer)
    at_home, elsewhere = proven.add("root", Role.OWNER), second.add("root", Role.OWNER)
    own = f"/members/{owner.get('/me').json['id']}"
    assert at_home.patch(own, json={"role": "admin"}).status_code == 200

    assert elsewhere.patch(second.path, json={"is_enabled": False}).status_code == 200
    assert refused(at_home.delete(proven.path)) == (409, "no_owner_could_sign_in")


def test_an_issuer_that_is_not_active_can_be_removed(registered: Registered) -> None:
    assert registered.owner.delete(registered.path).status_code == 204
    assert registered.owner.get("/issuers").json["data"] == []


def test_issuers_go_with_their_tenant(app: Flask, proven: Registered) -> None:
    with app.app_context(), catalog_transaction() as session:
        row = session.get(TenantIssuer, proven.body["id"])
        assert row is not None
        assert row.__table__.c.tenant_id.foreign_keys
        [key] = row.__table__.c.tenant_id.foreign_keys
        assert key.ondelete == "CASCADE"


def test_tokens_count_for_a_while_without_the_catalog(
    proven: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = proven.add("ann")
    assert ann.get("/me").status_code == 200
    reader = state_of(ann.app).catalog_reader
    monkeypatch.setattr(type(reader), "is_away", True)

    assert ann.get("/me").status_code == 200
    unknown = proven.sign("ann", aud=proven.body["audience"][:-1] + "0", jti="x")
    strange = proven.client(unknown).get("/me")
    assert refused(strange) == (503, "issuer_unavailable"), "A 401 says that the tenant exists."
