"""Which issuers a tenant may not register: those of others, and those inside the network."""

from dataclasses import replace

import pytest
from members import Member
from own_issuers import Registered, pointed, refused

from trially.auth.own_issuers.reserved import ReservedIssuers
from trially.state import state_of


@pytest.mark.parametrize(
    "issuer",
    [
        "https://accounts.google.com",
        "https://login.microsoftonline.com/common/v2.0",
        "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
        "https://token.actions.githubusercontent.com",
        "http://127.0.0.1:5000/dev-issuer",
        "http://localhost:7654/dev-issuer",
        "http://127.0.0.1:5000",
        "http://127.0.0.1:5000/anything",
    ],
)
def test_issuers_of_everybody_and_of_trially_are_refused(pooled_owner: Member, issuer: str) -> None:
    assert pointed(pooled_owner.post("/issuers", json={"issuer": issuer}))[:2] == (422, "/issuer")


def test_issuers_of_operators_are_reserved_in_every_spelling(app) -> None:
    profiles = state_of(app).token_verifier._profiles
    profile = next(iter(profiles.values()))
    person = replace(profile, issuer="https://login.example/", recorded_as=None)
    client = replace(profile, issuer="https://a.example/v1/clients/", client_keys=object())
    reserved = ReservedIssuers(
        [person, client], ["https://operators.example"], "https://api.example:8443"
    )
    for issuer in (
        "https://login.example/",
        "https://login.example",
        "https://LOGIN.example:443",
        "https://login.example.",
        "https://a.example/v1/clients/x",
        "https://operators.example/",
        "https://api.example:8443/x",
    ):
        assert reserved.why(issuer) is not None, issuer
    for issuer in ("https://login.example/realms/other", "https://b.example", "https://a.example"):
        assert reserved.why(issuer) is None, issuer


def test_an_issuer_that_operators_trust_later_is_no_tenants_any_more(proven: Registered) -> None:
    ann = proven.add("ann")
    assert ann.get("/me").status_code == 200
    known = state_of(ann.app).own_issuers
    before, known.reserved = known.reserved, ReservedIssuers([], [proven.issuer.url], "https://x")
    try:
        assert proven.show()["status"] == "reserved"
        assert refused(proven.present(proven.sign("x"))) == (409, "conflict")
        other = proven.client(proven.sign("ann", jti="another"))
        assert refused(other.get("/me")) == (401, "invalid_token")
        invitation = {"issuer": proven.issuer.url, "subject": "bo", "role": "viewer"}
        assert pointed(proven.owner.post("/invitations", json=invitation))[1] == "/issuer"
    finally:
        known.reserved = before


@pytest.mark.parametrize(
    "issuer",
    [
        "http://login.example",
        "http://127.0.0.2",
        "https://127.0.0.1",
        "https://localhost",
        "https://10.0.0.1",
        "https://192.168.1.1/realms/x",
        "https://169.254.169.254",
        "https://[::1]",
        "https://[fd00::1]",
        "https://[::ffff:10.0.0.1]",
        "https://[64:ff9b::a00:1]",
        "https://metadata.google.internal",
        "https://user:secret@login.example",
        "https://login.example?x=1",
        "https://login.example#x",
        "https://login.example:0",
        "https://login.example:99999",
        "https://login.example\\@evil.example",
        "https://login example",
        "file:///etc/passwd",
        "ftp://login.example",
        "login.example",
        "https://",
        "https://lögin.example",
    ],
)
def test_what_is_no_public_https_url_is_refused(pooled_owner: Member, issuer: str) -> None:
    assert pointed(pooled_owner.post("/issuers", json={"issuer": issuer}))[:2] == (422, "/issuer")
