"""Take compression and archives off, by what the bytes are and not by what they are called."""

import bz2
import gzip
import lzma
import re
import tarfile
from collections.abc import Iterator
from typing import Any, Self

from trially.recruiting.imports.reading.byte_sources import (
    CUT_SHORT,
    DAMAGED,
    READ_ERRORS,
    ByteSource,
    Ceiling,
)

MOST_LAYERS = 6
LARGEST_TAR_NAME_BYTES = 2**20
LONGEST_SHOWN_NAME = 500
TAR_BLOCK_BYTES = 512

_NAME_HEADERS = frozenset(
    {
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
    }
)
_GZIP, _XZ, _BZIP2, _ZIP = b"\x1f\x8b", b"\xfd7zXZ\x00", b"BZh", b"PK\x03\x04"
_READABLE_NAME = re.compile(
    r".+\.(?:json|ndjson|jsonl|tar)(?:\.gz|\.xz|\.bz2)?|.+\.(?:tgz|txz|tbz2?)", re.IGNORECASE
)
# What stands in a bulk export beside the resources.
_PASSED_OVER_NAME = re.compile(
    r"(?:.*[._-])?(?:log\.ndjson|manifest\.json)(?:\..*)?", re.IGNORECASE
)


def is_worth_reading(path: str) -> bool:
    """Tell by its name whether a file in a folder or an archive may hold resources."""
    name = path.rpartition("/")[2]
    if name.startswith(".") or _PASSED_OVER_NAME.fullmatch(name):
        return False
    return _READABLE_NAME.fullmatch(name) is not None


def to_shown_name(path: str) -> str:
    """Return a file's name as any database and terminal can hold it, and never from the root."""
    text = path.encode("utf-8", "replace").decode()
    return "".join(filter(str.isprintable, text)).lstrip("/")[-LONGEST_SHOWN_NAME:]


def unpack(
    name: str, source: ByteSource, ceiling: Ceiling, layer: int = 0
) -> Iterator[tuple[str, ByteSource | str]]:
    """Yield the names and bytes of all files within; a sentence where one cannot be had.

    Each must be read before the next is asked for.
    """
    head = source.peek(TAR_BLOCK_BYTES)
    if layer > MOST_LAYERS:
        yield name, f"This is packed more than {MOST_LAYERS} times over."
    elif head.startswith((_GZIP, _XZ, _BZIP2)):
        yield from unpack(name, _decompress(head, source, ceiling), ceiling, layer + 1)
    elif head.startswith(_ZIP):
        yield name, "This is a zip archive, which is not read; unpack it first."
    elif _is_tar(head):
        yield from _unpack_tar(name, source, ceiling, layer + 1)
    else:
        yield name, source


def _decompress(head: bytes, source: ByteSource, ceiling: Ceiling) -> ByteSource:
    packed: Any = source  # they only read it
    stream: gzip.GzipFile | lzma.LZMAFile | bz2.BZ2File
    if head.startswith(_GZIP):
        stream = gzip.GzipFile(fileobj=packed, mode="rb")
    elif head.startswith(_XZ):
        stream = lzma.LZMAFile(packed)  # noqa: SIM115 - it has nothing to close
    else:
        stream = bz2.BZ2File(packed)
    return ByteSource(lambda size: ceiling.count(stream.read1(size)))


def _is_tar(head: bytes) -> bool:
    if len(head) < TAR_BLOCK_BYTES:
        return False
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.TarError:
        return not any(head)  # an empty archive is blocks of zeros
    return True


def _unpack_tar(
    name: str, source: ByteSource, ceiling: Ceiling, layer: int
) -> Iterator[tuple[str, ByteSource | str]]:
    """Yield an archive's files in their order; nothing is written to disk."""
    archive = None
    while True:
        try:
            archive = archive or _open_tar(source)
            member = archive.next()
        except READ_ERRORS:
            yield name, source.failure or DAMAGED
            return
        if member is None:
            return
        archive.members.clear()  # type: ignore[attr-defined]  # it would keep every header
        if not member.isreg() or member.issparse() or not is_worth_reading(member.name):
            continue
        content = _read_member(archive, member)
        yield from unpack(f"{name}!{to_shown_name(member.name)}", content, ceiling, layer)
        if content.failure is not None or ceiling.is_broken:
            return


def _open_tar(source: ByteSource) -> tarfile.TarFile:
    packed: Any = source
    return tarfile.open(fileobj=packed, mode="r|", tarinfo=_Header)


def _read_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> ByteSource:
    """Return a member's bytes; `extractfile` would lose those just before a cut."""
    stream: Any = archive.fileobj
    missing = member.size

    def read(most: int) -> bytes:
        nonlocal missing
        found: bytes = stream.read(min(most, missing))
        missing -= len(found)
        if missing and not found:
            raise EOFError
        return found

    return ByteSource(read)


class _Header(tarfile.TarInfo):
    """A member's header; a bad one is an error, where tarfile would take it for the end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if buf and not any(buf):  # zeros: the end of the archive
                raise
            raise tarfile.ReadError(CUT_SHORT if not buf else DAMAGED) from error
        if header.type in _NAME_HEADERS and header.size > LARGEST_TAR_NAME_BYTES:
            raise tarfile.ReadError(DAMAGED)  # tarfile would hold all of it
        return header
