"""What an archive says of itself: its header, which is readable, and its manifest, which is not."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import orjson

from trially.tenancy.archives.errors import ForeignArchiveError

FORMAT = "trially-archive/1"

MANIFEST, AUTHENTICATION = "manifest.json", "manifest.hmac"
"""The last two members of an archive."""

HEADER_LIMIT = 4096
"""The longest header, in bytes."""


@dataclass(frozen=True)
class Header:
    """The first line of an archive, in plain text: which key opens it."""

    archive_id: UUID
    tenant_id: UUID
    key_version: int

    def line(self) -> bytes:
        """Return the header as a line of JSON."""
        content = {
            "format": FORMAT,
            "archive": self.archive_id,
            "tenant": self.tenant_id,
            "key_version": self.key_version,
        }
        return orjson.dumps(content) + b"\n"

    @classmethod
    def parse(cls, line: bytes) -> "Header":
        """Return the header of a line. Raises `ForeignArchiveError`."""
        try:
            content = orjson.loads(line)
            if content["format"] != FORMAT:
                raise ForeignArchiveError(
                    f"The archive has the format {content['format']!r}. This version of trially"
                    f" reads {FORMAT}."
                )
            return cls(
                UUID(str(content["archive"])),
                UUID(str(content["tenant"])),
                int(content["key_version"]),
            )
        except (ValueError, KeyError, TypeError):
            raise ForeignArchiveError("The file is no archive of trially.") from None


@dataclass(frozen=True)
class ArchivedTable:
    """The rows of one table."""

    name: str
    columns: Sequence[str]
    """Those of each line, in their order. The tenant's id is not among them."""

    rows: int
    bytes: int
    """Of the lines, before compression."""

    parts: int
    """The number of members with its rows."""

    hash: str
    """As `RowHash`."""


@dataclass(frozen=True)
class Manifest:
    """What an archive holds."""

    header: Header
    slug: str
    name: str
    kind: str
    plan: str
    region: str | None
    time_zone: str
    tier: str
    revision: str
    snapshot_at: dt.datetime
    """When the rows were as they are in the archive."""

    version: str
    """Of trially."""

    tables: Sequence[ArchivedTable]

    @property
    def rows(self) -> int:
        """The rows of all tables."""
        return sum(table.rows for table in self.tables)

    @property
    def size(self) -> int:
        """The bytes of all rows before compression."""
        return sum(table.bytes for table in self.tables)

    def to_json(self) -> bytes:
        """Return the manifest as JSON."""
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)

    @classmethod
    def parse(cls, text: bytes) -> "Manifest":
        """Return the manifest of a text that was authenticated."""
        content: Mapping[str, Any] = orjson.loads(text)
        header = content["header"]
        return cls(
            **{
                **content,
                "header": Header(
                    UUID(header["archive_id"]), UUID(header["tenant_id"]), header["key_version"]
                ),
                "snapshot_at": dt.datetime.fromisoformat(content["snapshot_at"]),
                "tables": [ArchivedTable(**table) for table in content["tables"]],
            }
        )


def part_name(table: str, number: int) -> str:
    """Return the name of a member with rows of a table."""
    return f"tables/{table}/{number:06d}.copy.zst"
