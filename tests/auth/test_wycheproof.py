"""Verify Wycheproof's signatures and keys with our key importer and verifier."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.auth.crafted_tokens import ISSUER, PROFILES
from tests.conftest import SHARED_DATA
from trially.auth import tokens
from trially.auth.key_import import import_key_set
from trially.auth.strict_json import read_object
from trially.auth.token_encoding import HEADER_NAMES, decode_segment
from trially.auth.token_errors import TokenError
from trially.auth.tokens import verify_token


def _vectors(name: str) -> list[Any]:
    """Read the vectors. A clone may lack them, but not where the other real data exist."""
    if not SHARED_DATA.is_dir():
        skip = pytest.mark.skip(reason="The folder of real data is not beside this clone.")
        return [pytest.param(name, {}, {}, marks=skip)]
    path = SHARED_DATA / "jose" / f"json_web_{name}_test.json"
    groups = json.loads(path.read_text())["testGroups"]
    return [
        pytest.param(name, group, test, id=f"{group['comment']}-{test['tcId']}")
        for group in groups
        for test in group["tests"]
    ]


# Valid in Wycheproof, and rejected here, because the key is for another algorithm.
STRICTER = {("signature", 346), ("signature", 347), ("signature", 350), ("signature", 351)}


def _verifies(public: dict[str, Any], jws: str) -> bool:
    """Return whether our key importer and verifier accept a JWS, whatever its payload."""
    keys = import_key_set(public if "keys" in public else {"keys": [public]})
    try:
        segments = jws.split(".")
        header, _, signature = map(decode_segment, segments)
        names = read_object(header)
        key = keys[names.get("kid") or next(iter(keys))]
        assert key.alg is not None
        profile = replace(PROFILES[ISSUER], algorithms=frozenset({key.alg}))
        assert names.keys() <= HEADER_NAMES
        tokens._check_signature(
            names.get("alg"), key, jws.rpartition(".")[0].encode(), signature, profile
        )
    except (TokenError, ValueError, LookupError, StopIteration, AssertionError, AttributeError):
        return False
    return True


@pytest.mark.parametrize(
    ("name", "group", "test"), [*_vectors("signature"), *_vectors("key"), *_vectors("crypto")]
)
def test_wycheproof_signatures(name: str, group: dict[str, Any], test: dict[str, Any]) -> None:
    public = group.get("public") or group["private"]
    symmetric = any(key["kty"] == "oct" for key in public.get("keys", [public]))
    is_good = test["result"] != "invalid" and "jws" in test and not symmetric

    verifies = _verifies(public, test["jws"] if "jws" in test else test["jwe"])

    assert verifies == (is_good and (name, test["tcId"]) not in STRICTER)


@pytest.mark.parametrize(("name", "group", "test"), _vectors("encryption"))
def test_wycheproof_encrypted_tokens_are_refused(
    name: str, group: dict[str, Any], test: dict[str, Any]
) -> None:
    with pytest.raises(TokenError):
        verify_token(test["jwe"], PROFILES)
