"""Sign documents with Ed25519 (RFC 8032), under a key that derives from the installation's secret.

Only the installation can sign. Anyone with the public key in the document can verify.
"""

from base64 import b64decode, b64encode
from contextlib import suppress
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from trially.keys.derivation import Purpose, derive_key


def sign(content: dict[str, Any], secret_key: str, purpose: Purpose, name: str) -> dict[str, Any]:
    """Return a document with the content under `name`, and its signature."""
    key = _signing_key(secret_key, purpose)
    return {
        name: content,
        "signature": {
            "algorithm": "Ed25519",
            "over": f"the {name} as JSON with sorted keys and no spaces, in UTF-8",
            "public_key": b64encode(key.public_key().public_bytes_raw()).decode(),
            "value": b64encode(key.sign(_canonical(content))).decode(),
        },
    }


def verify(
    signed: bytes,
    secret_keys: tuple[str, ...],
    purpose: Purpose,
    name: str,
    forged: type[Exception],
) -> dict[str, Any]:
    """Return the content of a signed document. One of the installation's keys must have signed.

    The public key in the document is for other readers. Raises `forged` with a sentence if the
    bytes are no signed document, or it was changed, or another key signed it.
    """
    try:
        document = orjson.loads(signed)
        content: dict[str, Any] = document[name]
        value = b64decode(document["signature"]["value"], validate=True)
    except (ValueError, KeyError, TypeError):
        raise forged(f"The file is not a signed {name}.") from None
    for secret_key in secret_keys:
        with suppress(InvalidSignature):
            _signing_key(secret_key, purpose).public_key().verify(value, _canonical(content))
            return content
    raise forged(
        f"The signature is invalid: the {name} was changed, or another installation or an earlier"
        " secret key signed it."
    )


def _signing_key(secret_key: str, purpose: Purpose) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(derive_key(secret_key, purpose))


def _canonical(content: Any) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
