"""The signed report of a run.

The signature is Ed25519 (RFC 8032). Its key is derived from the installation's secret key by HKDF
(RFC 5869), so only the installation can sign. Anyone with the public key can verify.
"""

import datetime as dt
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from trially.errors import OperatorError
from trially.keys import Purpose, derive_key
from trially.proving.attempts import Attempt, Outcome
from trially.proving.running import NEVER_APPLICABLE, Pairing, postgresql_versions

FORMAT = "trially-proof/2"


class ForgedReportError(OperatorError):
    """The file is no report, or its signature is invalid."""


def to_report(
    pairings: Sequence[Pairing], attempts: Sequence[Attempt], seed: int, version: str
) -> dict[str, Any]:
    """Return the report of a run. It contains tenants' slugs, and no other data of tenants."""
    counts = Counter(attempt.outcome for attempt in attempts)
    return {
        "format": FORMAT,
        "proved_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "versions": {"trially": version, "postgresql": postgresql_versions(pairings)},
        "tenants": [
            {
                "slug": pairing.target.slug,
                "tier": pairing.target.tier.tier.value,
                "server": pairing.target.record.server.name,
                "attackers": [attacker.slug for attacker in pairing.attackers],
            }
            for pairing in pairings
        ],
        "not_applicable": NEVER_APPLICABLE,
        "counts": {str(outcome): counts[outcome] for outcome in Outcome},
        "attempts": [asdict(attempt) for attempt in attempts],
    }


def sign(report: dict[str, Any], secret_key: str) -> dict[str, Any]:
    """Return a document with the report and its signature."""
    key = _signing_key(secret_key)
    return {
        "report": report,
        "signature": {
            "algorithm": "Ed25519",
            "over": "the report as JSON with sorted keys and no spaces, in UTF-8",
            "public_key": b64encode(key.public_key().public_bytes_raw()).decode(),
            "value": b64encode(key.sign(_canonical(report))).decode(),
        },
    }


def verify(signed: bytes, *secret_keys: str) -> dict[str, Any]:
    """Return the report of a signed document, or raise `ForgedReportError`.

    Uses the installation's own keys, of which one must have signed. The public key in the document
    is for other readers.
    """
    try:
        document = orjson.loads(signed)
        report: dict[str, Any] = document["report"]
        value = b64decode(document["signature"]["value"], validate=True)
    except (ValueError, KeyError, TypeError):
        raise ForgedReportError("The file is not a signed report.") from None
    for secret_key in secret_keys:
        with suppress(InvalidSignature):
            _signing_key(secret_key).public_key().verify(value, _canonical(report))
            return report
    raise ForgedReportError(
        "The signature is invalid: the report was changed, or another installation or an earlier"
        " secret key signed it."
    )


def _signing_key(secret_key: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(derive_key(secret_key, Purpose.PROOF_SIGNATURES))


def _canonical(report: dict[str, Any]) -> bytes:
    return orjson.dumps(report, option=orjson.OPT_SORT_KEYS)
