"""Invalid values of claims and headers. `...` leaves the name out."""

from typing import Any

from tests.auth.crafted_tokens import AUDIENCE, ISSUER, OTHER_RSA

KIDS: dict[str, Any] = {
    "traversal": "../../../../dev/null",
    "sql": "x' UNION SELECT 'secret",
    "pipe": "/usr/bin/id|",
    "url": "https://evil.example/jwks.json",
    "nul": "rs-1\0",
    "crlf": "rs-1\r\nX-Injected: 1",
    "long": "k" * 5000,
    "empty": "",
    "integer": 1,
    "true": True,
    "null": None,
    "list": ["rs-1"],
    "object": {"kid": "rs-1"},
    "space": "rs-1 ",
    "upper": "RS-1",
    "missing": ...,
}
TYPES: dict[str, Any] = {
    "id-token": ...,
    "JWT": "JWT",
    "logout": "logout+jwt",
    "security-event": "secevent+jwt",
    "dpop": "dpop+jwt",
    "login-code": "oauth-authz-req+jwt",
    "entity-statement": "entity-statement+jwt",
    "null": None,
    "list": ["at+jwt"],
    "empty": "",
    "suffix": "at+jwt;v=1",
}
TIMES: dict[str, Any] = {
    "string": "1999999999",
    "true": True,
    "list": [1_999_999_999],
    "object": {},
    "null": None,
    "missing": ...,
}
ISSUERS: dict[str, Any] = {
    "slash": ISSUER + "/",
    "case": ISSUER.upper(),
    "prefix": ISSUER + ".evil.example",
    "path": ISSUER + "/tenant",
    "space": ISSUER + " ",
    "list": [ISSUER],
    "object": {"iss": ISSUER},
    "null": None,
    "missing": ...,
    "empty": "",
    "unknown": "https://evil.example",
}
AUDIENCES: dict[str, tuple[Any, str]] = {
    "slash": (AUDIENCE + "/", "wrong_audience"),
    "case": (AUDIENCE.upper(), "wrong_audience"),
    "prefix": (AUDIENCE + ".evil.example", "wrong_audience"),
    "other": ("https://other.example", "wrong_audience"),
    "empty": ("", "wrong_audience"),
    "empty-list": ([], "wrong_audience"),
    "missing": (..., "bad_audience"),
    "null": (None, "bad_audience"),
    "object": ({AUDIENCE: 1}, "bad_audience"),
    "nested": ([[AUDIENCE]], "bad_audience"),
    "mixed": ([AUDIENCE, 1], "bad_audience"),
    "integer": (1, "bad_audience"),
}
SUBJECTS: dict[str, Any] = {
    "missing": ...,
    "null": None,
    "empty": "",
    "integer": 7,
    "true": True,
    "list": ["alice"],
    "object": {"id": "alice"},
    "nul": "alice\0",
    "newline": "alice\nroot",
    "right-to-left": "alice\u202eecila",
    "homoglyph": "\u0430lice",
    "full-width": "\uff41lice",
    "spaces": " alice",
    "long": "a" * 256,
}
HEADERS: dict[str, Any] = {
    "crit-unknown": {"crit": ["x"], "x": 1},
    "crit-b64": {"crit": ["b64"], "b64": False},
    "crit-empty": {"crit": []},
    "crit-string": {"crit": "exp"},
    "b64": {"b64": False},
    "zip": {"zip": "DEF"},
    "jwk": {"jwk": OTHER_RSA.as_dict(private=False)},
    "jku": {"jku": "https://evil.example/jwks.json"},
    "x5u": {"x5u": "https://evil.example/cert.pem"},
    "x5c": {"x5c": ["MIIB"]},
    "x5t": {"x5t": "abc"},
    "cty": {"cty": "JWT"},
    "private": {"https://trially.ai/tenant": "acme"},
    "upper-case": {"KID": "rs-1"},
}
