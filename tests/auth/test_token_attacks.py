"""The attack set: every token here is refused, each for its own reason."""

import hmac
import json
import time
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA

from tests.auth.crafted_tokens import (
    EC,
    ED,
    JWKS,
    OTHER_RSA,
    PEM,
    PROFILES,
    PSS,
    RSA,
    b64,
    make_claims,
    sign,
    unb64,
    unsigned,
    with_member,
)
from tests.auth.wrong_values import AUDIENCES, HEADERS, ISSUERS, KIDS, SUBJECTS, TIMES, TYPES
from trially.auth.token_errors import TokenError
from trially.auth.tokens import verify_token


def sign_symmetrically(secret: bytes) -> str:
    """Sign with a shared secret, which an attacker hopes we take our public key for."""
    head = sign(make_claims(), RSA, alg="HS256").rpartition(".")[0]
    return f"{head}.{b64(hmac.digest(secret, head.encode(), 'sha256'))}"


def cut(token: str, part: int, change: Callable[[str], str]) -> str:
    segments = token.split(".")
    segments[part] = change(segments[part])
    return ".".join(segments)


def flip_bit(segment: str) -> str:
    raw = bytearray(unb64(segment))
    raw[len(raw) // 2] ^= 1
    return b64(bytes(raw))


def spare_bits(segment: str) -> str:
    """Spell the same bytes differently: 256 bytes leave four bits that decoders ignore."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return segment[:-1] + alphabet[alphabet.index(segment[-1]) + 1]


def der_signature() -> str:
    token = sign(make_claims(), EC, "ES256")
    head = token.rpartition(".")[0]
    return f"{head}.{b64(EC.private_key.sign(head.encode(), ECDSA(hashes.SHA256())))}"  # type: ignore[union-attr]


def swap_signature() -> str:
    return (
        sign(make_claims()).rpartition(".")[0]
        + "."
        + sign(make_claims(sub="bob")).rpartition(".")[2]
    )


def swap_payload() -> str:
    return cut(sign(make_claims()), 1, lambda _: b64(make_claims(sub="admin")))


def zip_bomb() -> str:
    body = zlib.compress(b"\0" * 20_000_000, 9)[:6000]
    header = {"alg": "dir", "enc": "A256GCM", "zip": "DEF"}
    return f"{b64(header)}..{b64(b'0' * 12)}.{b64(body[:5000])}.{b64(b'0' * 16)}"


def attacks() -> list[Any]:
    """Return every attack: how the token is made, and for what it must be refused."""
    attacks: list[tuple[str, Callable[..., str], str]] = []

    def add(name: str, make: Callable[..., str], reason: str) -> None:
        attacks.append((name, make, reason))

    for spelling in ("none", "None", "NONE", "nOnE"):
        add(f"alg-{spelling}", lambda s=spelling: unsigned({"alg": s}), "wrong_algorithm")
        add(f"alg-{spelling}-bare", lambda s=spelling: unsigned({"alg": s}, b""), "malformed")
    for name, value in {"list": ["RS256"], "empty": "", "null": None, "true": True}.items():
        add(f"alg-{name}", lambda v=value: sign(make_claims(), alg=v), "wrong_algorithm")
    add("alg-missing", lambda: sign(make_claims(), alg=...), "wrong_algorithm")
    add("alg-lower", lambda: sign(make_claims(), alg="rs256"), "wrong_algorithm")

    for name, secret in {
        "pem": PEM,
        "pem-stripped": PEM.strip(),
        "jwks": json.dumps(JWKS).encode(),
        "jwk": json.dumps(RSA.as_dict(private=False)).encode(),
        "empty": b"",
        "raw-ed25519": unb64(str(ED["x"])),
        "word": b"secret",
        "nul": b"\0",
    }.items():
        add(f"hmac-{name}", lambda s=secret: sign_symmetrically(s), "wrong_algorithm")
    add(
        "hmac-ed25519",
        lambda: cut(
            sign_symmetrically(b"x" * 32),
            0,
            lambda _: b64({"alg": "HS256", "typ": "at+jwt", "kid": "ed-1"}),
        ),
        "wrong_algorithm",
    )
    add("rs512", lambda: sign(make_claims(), algorithm="RS512"), "wrong_algorithm")
    add("ps256", lambda: sign(make_claims(), algorithm="PS256"), "wrong_algorithm")
    add("ps256-key-not-in-profile", lambda: sign(make_claims(), PSS, "PS256"), "wrong_algorithm")
    add(
        "es256-under-rsa-kid",
        lambda: sign(make_claims(), EC, "ES256", kid="rs-1"),
        "wrong_algorithm",
    )
    add("rs256-under-ec-kid", lambda: sign(make_claims(), kid="es-1"), "wrong_algorithm")
    add("rs256-under-ed-kid", lambda: sign(make_claims(), kid="ed-1"), "wrong_algorithm")
    add("foreign-key-same-kid", lambda: sign(make_claims(), OTHER_RSA), "bad_signature")
    for size in (0, 1, 64):
        es_header, ed_header = {"alg": "ES256", "kid": "es-1"}, {"alg": "EdDSA", "kid": "ed-1"}
        reason = "bad_signature" if size else "malformed"
        add(f"es256-zero-{size}", lambda h=es_header, n=size: unsigned(h, b"\0" * n), reason)
        add(f"eddsa-zero-{size}", lambda h=ed_header, n=size: unsigned(h, b"\0" * n), reason)
    add("es256-der", der_signature, "bad_signature")
    add(
        "es256-order",
        lambda: unsigned(
            {"alg": "ES256", "kid": "es-1"},
            bytes.fromhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551") * 2,
        ),
        "bad_signature",
    )
    add(
        "es256-huge",
        lambda: unsigned({"alg": "ES256", "kid": "es-1"}, b"\1" * 4000),
        "bad_signature",
    )

    add("signature-stripped", lambda: cut(sign(make_claims()), 2, lambda _: ""), "malformed")
    add("signature-gone", lambda: sign(make_claims()).rpartition(".")[0], "malformed")
    add("signature-swapped", swap_signature, "bad_signature")
    add("payload-swapped", swap_payload, "bad_signature")
    add("signature-bit", lambda: cut(sign(make_claims()), 2, flip_bit), "bad_signature")
    add(
        "signature-short",
        lambda: cut(sign(make_claims()), 2, lambda s: b64(unb64(s)[:-1])),
        "bad_signature",
    )
    add(
        "signature-long",
        lambda: cut(sign(make_claims()), 2, lambda s: b64(unb64(s) + b"x")),
        "bad_signature",
    )
    add("signature-spelling", lambda: cut(sign(make_claims()), 2, spare_bits), "malformed")
    for part, place in enumerate(("header", "payload", "signature")):
        for name, change in {
            "padding": lambda s: s + "=",
            "newline": lambda s: s[:4] + "\n" + s[4:],
            "space": lambda s: s + " ",
            "standard-alphabet": lambda s: s[:4] + "+" + s[5:],
            "non-ascii": lambda s: s[:4] + "\u00e9" + s[5:],
            "surrogate": lambda s: s[:4] + "\udc80" + s[5:],
            "empty": lambda _: "",
            "one-left-over": lambda s: s[: len(s) // 4 * 4 - 3],
        }.items():
            add(
                f"{place}-{name}",
                lambda p=part, c=change: cut(sign(make_claims()), p, c),
                "malformed",
            )

    for name, value in KIDS.items():
        known_shape = isinstance(value, str) and 0 < len(value) < 256 and value.isprintable()
        reason = "unknown_key" if known_shape else "bad_kid"
        add(f"kid-{name}", lambda v=value: sign(make_claims(), kid=v), reason)
    for name, value in TYPES.items():
        add(f"typ-{name}", lambda v=value: sign(make_claims(), typ=v), "wrong_type")
    for name, names in HEADERS.items():
        add(f"header-{name}", lambda n=names: sign(make_claims(), **n), "unknown_header")

    for name, value in {"number": 1, "null": None, "list": ["abc"], "object": {}}.items():
        for header_name in ("x5t", "x5t#S256", "cty"):
            add(
                f"{header_name}-{name}",
                lambda h=header_name, v=value: sign(make_claims(), **{h: v}),
                "bad_header",
            )

    for claim in ("exp", "iat", "nbf"):
        for name, value in TIMES.items():
            if (claim, name) != ("nbf", "missing"):
                add(
                    f"{claim}-{name}",
                    lambda c=claim, v=value: sign(make_claims(**{c: v})),
                    f"bad_{claim}",
                )
        for name, text in {
            "nan": "NaN",
            "infinity": "Infinity",
            "minus-infinity": "-Infinity",
            "1e400": "1e400",
            "digits": "9" * 5000,
            "few-digits": "9" * 19,
            "hexadecimal": "0xffffffff",
        }.items():
            add(
                f"{claim}-{name}",
                lambda c=claim, t=text: sign(json.dumps(make_claims(**{c: "@"})).replace('"@"', t)),
                "malformed",
            )
    now = int(time.time())
    add("expired", lambda: sign(make_claims(iat=now - 100, exp=now - 60)), "expired")
    add("expired-years-ago", lambda: sign(make_claims(iat=0, exp=1)), "expired")
    add("not-yet", lambda: sign(make_claims(nbf=now + 9000)), "not_yet_valid")
    add(
        "issued-in-the-future",
        lambda: sign(make_claims(iat=now + 9000, exp=now + 9300)),
        "not_yet_valid",
    )
    add("a-year-long", lambda: sign(make_claims(exp=now + 365 * 86_400)), "bad_lifetime")
    add("a-day-and-a-bit", lambda: sign(make_claims(iat=now, exp=now + 86_401)), "bad_lifetime")
    add(
        "ends-at-once",
        lambda: sign(make_claims(iat=(at := int(time.time())), exp=at)),
        "bad_lifetime",
    )

    for name, value in ISSUERS.items():
        add(f"iss-{name}", lambda v=value: sign(make_claims(iss=v)), "unknown_issuer")
    for name, (value, reason) in AUDIENCES.items():
        add(f"aud-{name}", lambda v=value: sign(make_claims(aud=v)), reason)
    for name, value in SUBJECTS.items():
        add(f"sub-{name}", lambda v=value: sign(make_claims(sub=v)), "bad_subject")
    add("sub-10kB", lambda: sign(make_claims(sub="a" * 10_000)), "too_large")

    header = '{"alg":"RS256","typ":"at+jwt","kid":"rs-1"'
    for name, payload in {
        "duplicate": with_member('"sub":"admin"'),
        "duplicate-escaped": with_member('"\\u0073ub":"admin"'),
        "duplicate-nested": with_member('"x":{"a":1,"a":2}'),
        "lone-surrogate": with_member('"x":"\\ud800"'),
        "byte-order-mark": b"\xef\xbb\xbf" + json.dumps(make_claims()).encode(),
        "utf-16": json.dumps(make_claims()).encode("utf-16"),
        "utf-16-le": json.dumps(make_claims()).encode("utf-16-le"),
        "bad-utf-8": with_member('"x":"@"').encode().replace(b"@", b"\xff"),
        "overlong-utf-8": with_member('"x":"@"').encode().replace(b"@", b"\xc0\x80"),
        "encoded-surrogate": with_member('"x":"@"').encode().replace(b"@", b"\xed\xa0\x80"),
        "list": json.dumps([make_claims()]),
        "string": json.dumps("x"),
        "null": "null",
        "empty": " ",
        "trailing": json.dumps(make_claims()) + "{}",
        "comment": json.dumps(make_claims()) + "//",
        "single-quotes": str(make_claims()),
        "raw-control": with_member('"x":"\n"'),
        "nine-deep": with_member('"x":' + "[" * 8 + "]" * 8),
        "deep": with_member('"x":' + "[" * 2500 + "]" * 2500),
        "deep-objects": with_member('"x":' + '{"a":' * 900 + "1" + "}" * 900),
        "unterminated-quotes": '{"x":"' + '\\"' * 2900,
    }.items():
        add(f"json-{name}", lambda p=payload: sign(p), "malformed")
    add("json-20000-deep", lambda: sign("[" * 20_000 + "]" * 20_000), "too_large")
    for name, raw in {
        "duplicate": header + ',"alg":"none"}',
        "duplicate-escaped": header + ',"\\u0061lg":"none"}',
        "byte-order-mark": "\ufeff" + header + "}",
        "list": "[" + header + "}]",
        "deep": header + ',"x":' + "[" * 2000 + "]" * 2000 + "}",
    }.items():
        add(f"header-json-{name}", lambda r=raw: sign(make_claims(), raw_header=r), "malformed")

    add("1MB", lambda: "a" * 1_000_000, "too_large")
    add("1MB-payload", lambda: sign(make_claims(x="a" * 1_000_000)), "too_large")
    add("dots", lambda: "." * 8000, "malformed")
    add("two-dots", lambda: "..", "malformed")
    add("empty", lambda: "", "malformed")
    add("word", lambda: "opaque-token", "malformed")
    add(
        "jws-json",
        lambda: json.dumps(
            dict(
                zip(
                    ("protected", "payload", "signature"),
                    sign(make_claims()).split("."),
                    strict=True,
                )
            )
        ),
        "malformed",
    )
    add(
        "multi-signature",
        lambda: sign(make_claims()) + "." + sign(make_claims()).rpartition(".")[2],
        "malformed",
    )
    add(
        "jwe",
        lambda: f"{b64({'alg': 'dir', 'enc': 'A256GCM'})}..{b64(b'0' * 12)}.eA.eA",
        "malformed",
    )
    add("jwe-zip-bomb", zip_bomb, "malformed")
    add(
        "jwe-pbes2",
        lambda: b64({"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2**31}) + ".eA.eA.eA.eA",
        "malformed",
    )
    add("nested-token", lambda: sign(b64(sign(make_claims()))), "malformed")
    add("bearer-twice", lambda: "Bearer " + sign(make_claims()), "malformed")
    return [pytest.param(make, reason, id=name) for name, make, reason in attacks]


@pytest.mark.parametrize(("make", "reason"), attacks())
def test_bad_tokens_are_refused_for_their_reason(make: Callable[[], str], reason: str) -> None:
    raw = make()

    with pytest.raises(TokenError) as refusal:
        verify_token(raw, PROFILES)

    assert refusal.value.reason == reason
