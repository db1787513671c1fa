"""One seal: what it says of a batch of records, and the hash that chains it to the one before."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

from trially.seals.log import Key, Log, key_of, period_of

CHECKSUM_BYTES = 8
FIRST_PREVIOUS = bytes(32)
"""The previous hash of the first seal."""


@dataclass(frozen=True)
class Seal:
    """A seal of consecutive records of one year.

    `hash` covers all other fields, and so everything before them: `previous` is the hash of the
    seal before. `records` is the SHA-256 of the records' lines of COPY, and `checksums` has the
    first 8 bytes of the SHA-256 of each line. So a chain can be checked without its records, and a
    checksum names the record that differs.
    """

    log: str
    number: int
    previous: bytes
    columns: tuple[str, ...]
    first: Key
    last: Key
    count: int
    records: bytes
    checksums: bytes
    hash: bytes

    @property
    def header(self) -> bytes:
        """The text whose SHA-256 is the hash."""
        return (
            "trially-seal 1\n"
            f"log {self.log}\n"
            f"number {self.number}\n"
            f"previous {self.previous.hex()}\n"
            f"columns {','.join(self.columns)}\n"
            f"first {' '.join(self.first)}\n"
            f"last {' '.join(self.last)}\n"
            f"count {self.count}\n"
            f"records {self.records.hex()}\n"
            f"checksums {hashlib.sha256(self.checksums).hexdigest()}\n"
        ).encode()

    @property
    def is_consistent(self) -> bool:
        """Whether the hash is that of the other fields."""
        return (
            self.hash == hashlib.sha256(self.header).digest()
            and len(self.checksums) == self.count * CHECKSUM_BYTES
        )

    @property
    def period(self) -> int:
        """The year of the sealed records."""
        return period_of(self.first)

    def checksum_list(self) -> list[bytes]:
        """Return the checksum of each record, in order."""
        return [
            self.checksums[start : start + CHECKSUM_BYTES]
            for start in range(0, len(self.checksums), CHECKSUM_BYTES)
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return the seal for JSON."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            name: value.hex() if isinstance(value, bytes) else value
            for name, value in values.items()
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return the seal that `as_dict` describes.

        Raises `KeyError`, `TypeError` or `ValueError` if it describes none.
        """
        return cls(
            log=str(values["log"]),
            number=int(values["number"]),
            previous=bytes.fromhex(values["previous"]),
            columns=tuple(values["columns"]),
            first=tuple(values["first"]),
            last=tuple(values["last"]),
            count=int(values["count"]),
            records=bytes.fromhex(values["records"]),
            checksums=bytes.fromhex(values["checksums"]),
            hash=bytes.fromhex(values["hash"]),
        )


def make_seal(log: Log, previous: Seal | None, lines: Sequence[bytes]) -> Seal:
    """Return the seal of these lines of COPY, which follows `previous`."""
    draft = Seal(
        log=log.name,
        number=previous.number + 1 if previous else 1,
        previous=previous.hash if previous else FIRST_PREVIOUS,
        columns=log.columns,
        first=key_of(lines[0], log.columns, log.order),
        last=key_of(lines[-1], log.columns, log.order),
        count=len(lines),
        records=hashlib.sha256(b"".join(lines)).digest(),
        checksums=b"".join(map(checksum_of, lines)),
        hash=b"",
    )
    return Seal(**{**vars(draft), "hash": hashlib.sha256(draft.header).digest()})


def checksum_of(line: bytes) -> bytes:
    """Return the checksum of a record's line of COPY."""
    return hashlib.sha256(line).digest()[:CHECKSUM_BYTES]
