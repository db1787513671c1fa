"""Valid tokens are accepted; `test_token_attacks` has the tokens that are rejected."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import OctKey

from tests.auth.crafted_tokens import (
    AUDIENCE,
    EC,
    ED,
    ISSUER,
    OTHER_RSA,
    PROFILES,
    TENANT_CLAIM,
    Keys,
    b64,
    make_claims,
    sign,
    with_member,
)
from trially.auth.issuer_profile import IssuerProfile
from trially.auth.token_errors import TokenError, UnverifiableTokenError
from trially.auth.tokens import TokenVerifier, verify_token

OTHER_ISSUER = "https://other.example.test"


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | st.lists(st.binary(max_size=60).map(b64), max_size=4).map(".".join))
def test_rubbish_is_refused_and_nothing_else_is_raised(raw: str) -> None:
    with pytest.raises(TokenError):
        verify_token(raw, PROFILES)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["alg", "typ", "kid", "iss", "sub", "aud", "exp", "iat", "nbf", "scope"]), JSON
)
def test_any_value_of_any_name_is_accepted_or_refused(name: str, value: Any) -> None:
    raw = (
        sign(make_claims(), **{name: value})
        if name in {"alg", "typ", "kid"}
        else sign(make_claims(**{name: value}))
    )

    with contextlib.suppress(TokenError):
        assert verify_token(raw, PROFILES).iss == ISSUER


GOOD: dict[str, Callable[[], str]] = {
    "rs256": lambda: sign(make_claims()),
    "es256": lambda: sign(make_claims(), EC, "ES256"),
    "ed25519": lambda: sign(make_claims(), ED, "Ed25519"),
    "eddsa": lambda: sign(make_claims(), ED, "EdDSA"),
    "long-type": lambda: sign(make_claims(), typ="application/at+jwt"),
    "upper-case-type": lambda: sign(make_claims(), typ="AT+JWT"),
    "mixed-case-long-type": lambda: sign(make_claims(), typ="Application/at+JWT"),
    "x5t": lambda: sign(make_claims(), x5t="abc"),
    "x5t-s256": lambda: sign(make_claims(), **{"x5t#S256": "abc"}),
    "cty": lambda: sign(make_claims(), cty="JWT"),
    "audiences": lambda: sign(make_claims(aud=["acme", AUDIENCE])),
    "fractions": lambda: sign(make_claims(exp=time.time() + 60.5, iat=time.time() - 0.5)),
    "nbf": lambda: sign(make_claims(nbf=int(time.time()) - 5)),
    "clock-30s-ahead": lambda: sign(
        make_claims(iat=int(time.time()) + 25, nbf=int(time.time()) + 25)
    ),
    "clock-30s-behind": lambda: sign(
        make_claims(exp=int(time.time()) - 25, iat=int(time.time()) - 60)
    ),
    "one-day": lambda: sign(make_claims(iat=int(time.time()), exp=int(time.time()) + 86_400)),
    "nested": lambda: sign(make_claims(x={"a": [{"b": ["[[[[[[[[[[", '"{{{{{{{{{{']}]})),
    "escapes": lambda: sign(with_member('"x":"\\u00e9 \\ud83d\\ude00 \\" \\\\"')),
    "no-jti": lambda: sign(make_claims(azp="con_1", client_id="app_1", scope="openid")),
    "sub-255": lambda: sign(make_claims(sub="a" * 255)),
}


@pytest.mark.parametrize("make", GOOD.values(), ids=GOOD)
def test_valid_tokens_are_accepted(make: Callable[[], str]) -> None:
    claims = verify_token(make(), PROFILES)

    assert claims.iss == ISSUER
    assert AUDIENCE in claims.aud
    assert claims.claims[TENANT_CLAIM] == "acme"


def test_claims_are_those_of_the_token() -> None:
    payload = make_claims(aud=["acme", AUDIENCE], scope="openid")

    claims = verify_token(sign(payload), PROFILES)

    assert (claims.sub, claims.aud) == ("auth0|alice", ("acme", AUDIENCE))
    assert claims.exp == payload["exp"]
    assert dict(claims.claims) == payload


def test_claims_cannot_be_changed() -> None:
    claims = verify_token(sign(make_claims()), PROFILES)

    with pytest.raises(TypeError):
        claims.claims["sub"] = "admin"  # type: ignore[index]


def test_issuers_with_the_same_kid_do_not_speak_for_each_other() -> None:
    other_keys = Keys({"keys": [OTHER_RSA.as_dict(private=False)]})
    profiles = {
        **PROFILES,
        OTHER_ISSUER: IssuerProfile(issuer=OTHER_ISSUER, audiences=(AUDIENCE,), keys=other_keys),
    }

    ours, theirs = (
        verify_token(sign(make_claims()), profiles),
        verify_token(sign(make_claims(iss=OTHER_ISSUER), OTHER_RSA), profiles),
    )

    assert (ours.iss, theirs.iss) == (ISSUER, OTHER_ISSUER)
    with pytest.raises(TokenError, match="bad_signature"):
        verify_token(sign(make_claims(), OTHER_RSA), profiles)
    with pytest.raises(TokenError, match="bad_signature"):
        verify_token(sign(make_claims(iss=OTHER_ISSUER)), profiles)


def test_algorithms_outside_the_profile_are_refused() -> None:
    only_es256 = replace(PROFILES[ISSUER], algorithms=frozenset({"ES256"}))

    with pytest.raises(TokenError, match="wrong_algorithm"):
        verify_token(sign(make_claims()), {ISSUER: only_es256})
    assert verify_token(sign(make_claims(), EC, "ES256"), {ISSUER: only_es256})


@pytest.mark.parametrize("accepted", ["EdDSA", "Ed25519"])
@pytest.mark.parametrize("algorithm", ["EdDSA", "Ed25519"])
@pytest.mark.parametrize("published", ["EdDSA", "Ed25519", None])
def test_both_names_of_eddsa_are_one(accepted: str, algorithm: str, published: str | None) -> None:
    jwk = {**ED.as_dict(private=False), **({"alg": published} if published else {})}
    profile = replace(
        PROFILES[ISSUER], algorithms=frozenset({accepted}), keys=Keys({"keys": [jwk]})
    )

    assert verify_token(sign(make_claims(), ED, algorithm), {ISSUER: profile})


def test_a_profile_under_a_wrong_name_is_not_used() -> None:
    with pytest.raises(TokenError, match="unknown_issuer"):
        verify_token(sign(make_claims(iss=OTHER_ISSUER)), {OTHER_ISSUER: PROFILES[ISSUER]})


def test_a_symmetric_key_in_a_key_source_verifies_nothing() -> None:
    secret = OctKey.import_key(b"x" * 32, {"kid": "rs-1", "alg": "HS256"})
    keys = Keys()
    keys.keys = {"rs-1": secret}
    profile = replace(PROFILES[ISSUER], keys=keys)

    with pytest.raises(TokenError, match="wrong_algorithm"):
        verify_token(sign(make_claims(), secret, "HS256"), {ISSUER: profile})


def test_an_issuer_without_keys_has_its_own_reason() -> None:
    profile = replace(PROFILES[ISSUER], keys=Keys({"keys": []}))

    with pytest.raises(UnverifiableTokenError, match="keys_unavailable") as refusal:
        verify_token(sign(make_claims()), {ISSUER: profile})
    assert refusal.value.issuer == ISSUER


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: sign(make_claims(exp=1, iat=0)), "expired"),
        (lambda: sign(make_claims(aud="https://other.example")), "wrong_audience"),
        (lambda: sign(make_claims(sub="")), "bad_subject"),
        (lambda: sign(make_claims(), typ="JWT"), "wrong_type"),
        (lambda: sign(make_claims(), algorithm="RS512"), "wrong_algorithm"),
        (lambda: sign(make_claims(), jku="https://evil.example"), "unknown_header"),
    ],
)
def test_a_token_that_is_invalid_in_any_case_is_rejected_without_keys(
    make: Callable[[], str], reason: str
) -> None:
    profile = replace(PROFILES[ISSUER], keys=Keys({"keys": []}))

    with pytest.raises(TokenError, match=reason):
        verify_token(make(), {ISSUER: profile})


def test_a_verified_token_is_cached() -> None:
    verifier = TokenVerifier(PROFILES)
    raw = sign(make_claims())

    assert verifier.verify(raw) is verifier.verify(raw)


def test_a_cached_token_expires_on_time(monkeypatch: pytest.MonkeyPatch) -> None:
    profiles = {ISSUER: replace(PROFILES[ISSUER], leeway_seconds=0)}
    verifier = TokenVerifier(profiles)
    raw = sign(make_claims(exp=time.time() + 0.2))
    verifier.verify(raw)

    time.sleep(0.25)

    with pytest.raises(TokenError, match="expired"):
        verifier.verify(raw)


def test_the_cache_of_tokens_is_bounded_in_time_and_number() -> None:
    keys = Keys()
    profiles = {ISSUER: replace(PROFILES[ISSUER], keys=keys)}
    verifier = TokenVerifier(profiles, capacity=2, keep_seconds=0.2)
    raws = [sign(make_claims(sub=f"person-{number}"), EC, "ES256") for number in range(3)]
    for raw in raws:
        verifier.verify(raw)
    keys.keys = {"none": keys.keys["rs-1"]}

    assert len(verifier._valid) == 2
    assert verifier.verify(raws[2])
    time.sleep(0.25)
    with pytest.raises(TokenError, match="unknown_key"):
        verifier.verify(raws[2])


@pytest.mark.parametrize("raw", ["", "a" * 9000, "\udc80", "a.b.c"])
def test_refusals_are_not_cached(raw: str) -> None:
    verifier = TokenVerifier(PROFILES)

    with pytest.raises(TokenError):
        verifier.verify(raw)

    assert len(verifier._valid) == 0
