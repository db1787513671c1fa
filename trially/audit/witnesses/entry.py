"""What a witness keeps of one seal: a line of JSON."""

import datetime as dt
import hashlib
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from trially.errors import OperatorError
from trially.seals import Seal


class InvalidEntryError(OperatorError):
    """A line of a witness is damaged."""


@dataclass(frozen=True)
class WitnessEntry:
    """The hash of one seal."""

    log: str
    """The name of the log: its table and the tenant's id."""

    number: int
    hash: bytes
    count: int
    """How many records the seal has."""

    time: str
    """When the witness got the entry."""

    time_stamp: bytes | None = None
    """The answer of a time-stamp authority (RFC 3161) about the hash, in DER."""

    @property
    def line(self) -> bytes:
        """The entry as JSON, with the line's end."""
        values: dict[str, Any] = {
            "log": self.log,
            "number": self.number,
            "hash": self.hash.hex(),
            "count": self.count,
            "time": self.time,
        }
        if self.time_stamp is not None:
            values["time_stamp"] = b64encode(self.time_stamp).decode()
        return orjson.dumps(values) + b"\n"


def entry_of(seal: Seal) -> WitnessEntry:
    """Return the entry of a seal, at the current time."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    return WitnessEntry(seal.log, seal.number, seal.hash, seal.count, now)


def read_entries(content: bytes, name: str) -> Iterator[WitnessEntry]:
    """Yield the entries in some lines. Raises `InvalidEntryError`, which has `name`."""
    for number, line in enumerate(content.splitlines(), 1):
        try:
            values = orjson.loads(line)
            stamp = values.get("time_stamp")
            yield WitnessEntry(
                log=str(values["log"]),
                number=int(values["number"]),
                hash=_digest(values["hash"]),
                count=int(values["count"]),
                time=str(values["time"]),
                time_stamp=None if stamp is None else b64decode(stamp, validate=True),
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            raise InvalidEntryError(
                f"{name}, line {number}, is not an entry of a witness. Use an undamaged copy."
            ) from None


def _digest(text: str) -> bytes:
    digest = bytes.fromhex(text)
    if len(digest) != hashlib.sha256().digest_size:
        raise ValueError
    return digest
