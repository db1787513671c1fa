"""Unpack compressed files and archives. Their bytes decide what they are, not their names."""

import bz2
import gzip
import lzma
import re
import tarfile
from collections.abc import Iterator
from typing import Any, Self
from zipfile import ZipFile, ZipInfo

from trially.recruiting.imports.reading.byte_sources import (
    DAMAGED,
    READ_ERRORS,
    TRUNCATED,
    ByteSource,
)
from trially.recruiting.imports.reading.input_meter import InputMeter
from trially.recruiting.imports.reading.zip_archives import (
    UnreadableZipError,
    open_member,
    open_zip,
)

MOST_LAYERS = 6
LARGEST_TAR_NAME_BYTES = 2**20
LONGEST_DISPLAY_NAME = 500
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
_GZIP, _XZ, _BZIP2 = b"\x1f\x8b", b"\xfd7zXZ\x00", b"BZh"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
"""The beginnings of a ZIP archive, and of one without files."""

_READABLE_NAME = re.compile(
    r".+\.(?:json|ndjson|jsonl|tar)(?:\.gz|\.xz|\.bz2)?|.+\.(?:tgz|txz|tbz2?|zip)",
    re.IGNORECASE,
)
# Files of a bulk export that hold no resources.
_IGNORED_NAME = re.compile(r"(?:.*[._-])?(?:log\.ndjson|manifest\.json)(?:\..*)?", re.IGNORECASE)


def may_hold_resources(path: str) -> bool:
    """Return whether a file in a folder or an archive may hold resources, by its name."""
    name = path.rpartition("/")[2]
    if name.startswith(".") or _IGNORED_NAME.fullmatch(name):
        return False
    return _READABLE_NAME.fullmatch(name) is not None


def to_display_name(path: str) -> str:
    """Return a file's name in printable characters of valid UTF-8, without a leading slash."""
    text = path.encode("utf-8", "replace").decode()
    return "".join(filter(str.isprintable, text)).lstrip("/")[-LONGEST_DISPLAY_NAME:]


def unpack(
    name: str, source: ByteSource, meter: InputMeter, layer: int = 0
) -> Iterator[tuple[str, ByteSource | str]]:
    """Yield the name and bytes of each file in a source, or a sentence about its error.

    Read each file before asking for the next one.
    """
    head = source.peek(TAR_BLOCK_BYTES)
    if layer > MOST_LAYERS:
        yield name, f"The file is packed in more than {MOST_LAYERS} layers."
    elif head.startswith((_GZIP, _XZ, _BZIP2)):
        yield from unpack(name, _decompress(head, source, meter), meter, layer + 1)
    elif head.startswith(_ZIP):
        yield from _unpack_zip(name, source, meter, layer + 1)
    elif _is_tar(head):
        yield from _unpack_tar(name, source, meter, layer + 1)
    else:
        yield name, source


def _decompress(head: bytes, source: ByteSource, meter: InputMeter) -> ByteSource:
    packed: Any = source  # the decompressors call only its `read`
    stream: gzip.GzipFile | lzma.LZMAFile | bz2.BZ2File
    if head.startswith(_GZIP):
        stream = gzip.GzipFile(fileobj=packed, mode="rb")
    elif head.startswith(_XZ):
        stream = lzma.LZMAFile(packed)  # noqa: SIM115 - it opens no file
    else:
        stream = bz2.BZ2File(packed)
    return ByteSource(lambda size: meter.count_unpacked(stream.read1(size)))


def _is_tar(head: bytes) -> bool:
    if len(head) < TAR_BLOCK_BYTES:
        return False
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.TarError:
        return not any(head)  # an empty archive consists of zeros
    return True


def _unpack_tar(
    name: str, source: ByteSource, meter: InputMeter, layer: int
) -> Iterator[tuple[str, ByteSource | str]]:
    """Yield an archive's files in the archive's order, without writing them to disk."""
    archive = None
    while True:
        meter.check_time()
        try:
            archive = archive or _open_tar(source)
            member = archive.next()
        except READ_ERRORS:
            yield name, source.failure or DAMAGED
            return
        if member is None:
            return
        archive.members.clear()  # type: ignore[attr-defined]  # else tarfile keeps every header
        if not member.isreg() or member.issparse() or not may_hold_resources(member.name):
            continue
        content = _read_member(archive, member)
        yield from unpack(f"{name}!{to_display_name(member.name)}", content, meter, layer)
        if content.failure is not None:
            return


def _unpack_zip(
    name: str, source: ByteSource, meter: InputMeter, layer: int
) -> Iterator[tuple[str, ByteSource | str]]:
    """Yield an archive's files in the archive's order, without writing them to disk."""
    try:
        with open_zip(source) as archive:
            for member in archive.infolist():
                meter.check_time()
                if not member.is_dir() and may_hold_resources(member.filename):
                    member_name = f"{name}!{to_display_name(member.filename)}"
                    yield from _unpack_member(member_name, archive, member, meter, layer)
    except UnreadableZipError as error:
        yield name, str(error)


def _unpack_member(
    name: str, archive: ZipFile, member: ZipInfo, meter: InputMeter, layer: int
) -> Iterator[tuple[str, ByteSource | str]]:
    try:
        read = open_member(archive, member)
    except UnreadableZipError as error:
        yield name, str(error)
        return
    content = ByteSource(lambda size: meter.count_unpacked(read(size)))
    yield from unpack(name, content, meter, layer)


def _open_tar(source: ByteSource) -> tarfile.TarFile:
    packed: Any = source
    return tarfile.open(fileobj=packed, mode="r|", tarinfo=_Header)


def _read_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> ByteSource:
    """Return a member's bytes. Of a truncated member, `extractfile` would lose the last bytes."""
    stream: Any = archive.fileobj
    remaining = member.size

    def read(most: int) -> bytes:
        nonlocal remaining
        content: bytes = stream.read(min(most, remaining))
        remaining -= len(content)
        if remaining and not content:
            raise EOFError
        return content

    return ByteSource(read)


class _Header(tarfile.TarInfo):
    """A member's header. A bad header is an error, which tarfile would take for the end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if buf and not any(buf):  # zeros are the end of the archive
                raise
            raise tarfile.ReadError(TRUNCATED if not buf else DAMAGED) from error
        if header.type in _NAME_HEADERS and header.size > LARGEST_TAR_NAME_BYTES:
            raise tarfile.ReadError(DAMAGED)  # tarfile would read the whole name into memory
        return header
