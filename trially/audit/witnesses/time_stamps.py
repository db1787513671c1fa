"""A witness that is a time-stamp authority (RFC 3161).

The authority signs the hash of the last seal with the time. The hash covers all earlier seals, so
one time stamp is enough for each run of the sealer. The answers are kept in a directory. They are
worth no less there: they cannot be forged without the authority's key.
"""

import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from trially.audit.witnesses.directory import DirectoryWitness
from trially.audit.witnesses.entry import InvalidEntryError, WitnessEntry

TIMEOUT_SECONDS = 10
_LONGEST_ANSWER = 1 << 20


class InvalidTimeStampError(InvalidEntryError):
    """A time stamp is not the authority's, or is about another seal."""


class Authority(Protocol):
    """Sends a request in DER to a time-stamp authority, and returns the answer."""

    def __call__(self, request: bytes) -> bytes:
        """Return the answer, in DER."""


class TimeStampWitness:
    """Asks an authority for time stamps, and verifies them whenever they are read."""

    def __init__(
        self, name: str, ask: Authority, directory: Path, roots: Sequence[x509.Certificate]
    ) -> None:
        self.name, self._ask, self._roots = name, ask, roots
        self._kept = DirectoryWitness(directory)

    is_removable = True
    """The answers are kept in a directory of this installation."""

    def remove(self, log: str) -> None:
        """Remove the answers about a log."""
        self._kept.remove(log)

    def last_number(self, log: str) -> int:
        """Return the number of the last seal with a time stamp; 0 if there is none."""
        return self._kept.last_number(log)

    def append(self, log: str, entries: Sequence[WitnessEntry]) -> None:
        """Have the last of the entries stamped. Raises `InvalidTimeStampError`."""
        last = entries[-1]
        request = (
            TimestampRequestBuilder()
            .data(last.hash)
            .hash_algorithm(HashAlgorithm.SHA256)
            .cert_request(cert_request=True)
            .build()
        )
        stamped = replace(last, time_stamp=self._ask(request.as_bytes()))
        self._verify(stamped, nonce=request.nonce)
        self._kept.append(log, [stamped])

    def entries(self, log: str) -> Iterator[WitnessEntry]:
        """Yield the stamped entries. Raises `InvalidTimeStampError`."""
        for each in self._kept.entries(log):
            self._verify(each)
            yield each

    def _verify(self, entry: WitnessEntry, nonce: int | None = None) -> None:
        verifier = VerifierBuilder(roots=list(self._roots), nonce=nonce).build()
        try:
            answer = decode_timestamp_response(entry.time_stamp or b"")
            verifier.verify_message(answer, entry.hash)
        except (VerificationError, ValueError) as error:
            raise InvalidTimeStampError(
                f"The time stamp of the seal {entry.number} ({self.name}) is not valid."
                f" {str(error).rstrip('.')}."
            ) from None


def asking(url: str) -> Authority:
    """Return the function that asks the authority at a URL."""

    def ask(request: bytes) -> bytes:
        query = urllib.request.Request(  # noqa: S310  the operator's own setting
            url, request, {"Content-Type": "application/timestamp-query"}
        )
        with urllib.request.urlopen(query, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
            content: bytes = answer.read(_LONGEST_ANSWER)
            return content

    return ask
