"""Take a token apart, and check the form of its header (RFC 7515, RFC 7519)."""

import base64
from collections.abc import Collection
from typing import Any

from trially.auth.strict_json import read_object
from trially.auth.token_errors import TokenError

MAX_TOKEN_BYTES = 8192
MAX_KID_LENGTH = 255
HEADER_NAMES = frozenset({"alg", "typ", "kid"})
IGNORED_HEADER_NAMES = frozenset({"x5t", "x5t#S256", "cty"})
"""Headers that real issuers send and that have no effect. Their values are strings.

No header says where a key is: tokens with `jwk`, `jku`, `x5c` or `x5u` are rejected. So are those
with `crit` and with any other name.
"""


def take_apart(raw: str) -> tuple[bytes, dict[str, Any], dict[str, Any], bytes]:
    """Return the signing input, the header, the payload and the signature of a token."""
    if len(raw) > MAX_TOKEN_BYTES:
        raise TokenError("too_large")
    segments = raw.split(".")
    if len(segments) != 3 or not all(segments):
        raise TokenError("malformed")
    try:
        header, payload, signature = map(decode_segment, segments)
        signing_input = raw.rpartition(".")[0].encode("ascii")
        return signing_input, read_object(header), read_object(payload), signature
    except ValueError:
        raise TokenError("malformed") from None


def decode_segment(segment: str) -> bytes:
    """Decode canonical base64url, or raise `ValueError`.

    Decoders skip stray characters and ignore unused bits, so one token would have many encodings.
    """
    encoded = segment.encode("ascii")
    decoded = base64.urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4))
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != encoded:
        raise ValueError("The segment is not canonical base64url.")
    return decoded


def read_header(header: dict[str, Any], types: Collection[str]) -> str:
    """Return the `kid` of a header, after checking the rest of it except `alg`.

    `types` are the accepted values of `typ`.
    """
    if _media_type(header.get("typ")) not in map(_media_type, types):
        raise TokenError("wrong_type")
    if not header.keys() <= HEADER_NAMES | IGNORED_HEADER_NAMES:
        raise TokenError("unknown_header")
    if not all(isinstance(header.get(name, ""), str) for name in IGNORED_HEADER_NAMES):
        raise TokenError("bad_header")
    kid = header.get("kid")
    if not isinstance(kid, str) or not 1 <= len(kid) <= MAX_KID_LENGTH or not kid.isprintable():
        raise TokenError("bad_kid")
    return kid


def _media_type(name: object) -> str:
    """Return the one spelling of a media type, or an empty string if it is none.

    Media types are case-insensitive, and `typ` may leave out `application/` (RFC 7515, 4.1.9).
    """
    if not isinstance(name, str) or not name.isascii():
        return ""
    return name.lower().removeprefix("application/")
