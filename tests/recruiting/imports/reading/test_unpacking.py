"""Compressed files and archives are recognised by their bytes, and unpacked."""

import bz2
import gzip
import io
import lzma
import random
import tarfile
import zipfile
from collections.abc import Callable

import pytest

from tests.recruiting.imports.reading.files import (
    DAMAGED,
    TRUNCATED,
    A,
    B,
    C,
    bundle,
    error_of,
    ndjson,
    read,
    summarise,
)
from trially.recruiting.imports.limits import ImportLimitError, ImportLimits
from trially.recruiting.imports.reading import zip_archives


def tar(files: dict[str, bytes], tar_format: int = tarfile.PAX_FORMAT) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tar_format) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return written.getvalue()


def incompressible(count: int) -> bytes:
    source = random.Random(7)
    return ndjson(
        *({"resourceType": "Patient", "id": source.randbytes(30).hex()} for _ in range(count))
    )


@pytest.mark.parametrize(
    "pack",
    [
        gzip.compress,
        lzma.compress,
        bz2.compress,
        lambda content: gzip.compress(lzma.compress(content)),
        lambda content: gzip.compress(content[:20]) + gzip.compress(content[20:]),
    ],
)
def test_compression_is_recognised_by_its_bytes(pack: Callable[[bytes], bytes]) -> None:
    lines = read(pack(ndjson(A, B)), name="Patient.json")

    assert summarise(lines) == [("Patient.json", 1, "a"), ("Patient.json", 2, "b")]


@pytest.mark.parametrize(
    "tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress, bz2.compress])
def test_files_of_an_archive_are_read_in_its_order(
    pack: Callable[[bytes], bytes], tar_format: int
) -> None:
    long_name = "deep/" * 40 + "e.json"
    files = {
        "README.md": b"Jane Doe",
        "a/b.json": ndjson(bundle({"resource": A})),
        "a/log.ndjson": b"{}",
        "a/._b.json": b"\0",
        "/../c.ndjson.gz": gzip.compress(ndjson(B, C)),
        (long_name if tar_format != tarfile.USTAR_FORMAT else "e.json"): ndjson(A),
    }

    lines = read(pack(tar(files, tar_format)), name="set.tar")

    assert summarise(lines) == [
        ("set.tar!a/b.json", 1, "a"),
        ("set.tar!../c.ndjson.gz", 1, "b"),
        ("set.tar!../c.ndjson.gz", 2, "c"),
        (f"set.tar!{list(files)[-1]}", 1, "a"),
    ]
    assert [line.ordinal for line in lines] == [1, 2, 3, 4]


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
def test_a_truncated_file_gives_its_good_lines_and_one_error(
    pack: Callable[[bytes], bytes],
) -> None:
    packed = pack(incompressible(20_000))

    *good, last = read(packed[: len(packed) // 2])

    assert 0 < len(good) < 20_000
    assert [error_of(line) for line in good] == [None] * len(good)
    assert (error_of(last), last.number) == (TRUNCATED, len(good) + 1)


def test_a_damaged_file_gives_the_lines_before_the_damage_and_one_error() -> None:
    packed = bytearray(gzip.compress(incompressible(20_000)))
    packed[len(packed) // 2] ^= 0xFF

    lines = read(bytes(packed))

    assert lines[0].resource is not None
    assert error_of(lines[-1]) == DAMAGED


@pytest.mark.parametrize("cut", [300, 800, 1_600, 2_500, -10_239])
@pytest.mark.parametrize("pack", [bytes, lambda content: gzip.compress(content, compresslevel=0)])
def test_a_truncated_archive_gives_one_error(pack: Callable[[bytes], bytes], cut: int) -> None:
    packed = pack(tar({f"{name}.ndjson": ndjson(A, B) * 10 for name in "abcde"}))

    lines = read(packed[:cut])

    assert [error_of(line) is None for line in lines] == [True] * (len(lines) - 1) + [False]


def test_a_truncated_member_does_not_affect_other_members() -> None:
    packed = gzip.compress(incompressible(100))
    archive = tar({"a.ndjson.gz": packed[:-600], "b.ndjson": ndjson(B)})

    *_, cut, last = read(archive, name="t")

    assert (cut.file, error_of(cut)) == ("t!a.ndjson.gz", TRUNCATED)
    assert last.resource == B


def test_a_truncated_bundle_gives_no_resources() -> None:
    packed = gzip.compress(ndjson(bundle(*[{"resource": A}] * 1_000)))

    assert summarise(read(packed[: len(packed) // 2], name="b")) == [("b", 1, TRUNCATED)]


def test_unpacking_stops_at_the_limit() -> None:
    packed = gzip.compress(ndjson(A) * 1_000_000)

    with pytest.raises(ImportLimitError, match="larger than 3,000,000 bytes when unpacked"):
        read(packed, limits=ImportLimits(most_expanded_bytes=3_000_000))


def test_all_files_of_an_archive_count_towards_the_limit() -> None:
    files = {f"{number}.ndjson": ndjson(A) * 10_000 for number in range(5)}
    packed = gzip.compress(tar(files))

    with pytest.raises(ImportLimitError):
        read(packed, limits=ImportLimits(most_expanded_bytes=600_000))


def test_too_many_layers_are_rejected() -> None:
    packed = ndjson(A)
    for _ in range(9):
        packed = gzip.compress(packed)

    reason = "The file is packed in more than 6 layers."
    assert summarise(read(packed)) == [("x.ndjson", 1, reason)]


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return written.getvalue()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_a_zip_archive_is_unpacked(method: int) -> None:
    files = {"a/A.ndjson": ndjson(A), "log.ndjson": b"{}", "b.zip": zipped({"B.json": ndjson(B)})}

    assert summarise(read(zipped(files, method), name="z")) == [
        ("z!a/A.ndjson", 1, "a"),
        ("z!b.zip!B.json", 1, "b"),
    ]


def encrypted(packed: bytes) -> bytes:
    """Return an archive whose members claim to be encrypted."""
    return packed.replace(b"PK\x03\x04\x14\0\0", b"PK\x03\x04\x14\0\1").replace(
        b"PK\x01\x02\x14\x03\x14\0\0", b"PK\x01\x02\x14\x03\x14\0\1"
    )


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        (b"PK\x03\x04" + bytes(600), "The ZIP archive is damaged."),
        (zipped({"a.json": ndjson(A)})[:-30], "The ZIP archive is damaged."),
        (encrypted(zipped({"a.json": ndjson(A)})), zip_archives.ENCRYPTED),
    ],
)
def test_a_zip_archive_that_cannot_be_read_is_one_error(packed: bytes, reason: str) -> None:
    (line,) = read(packed)

    assert error_of(line) == reason
    assert line.fault
    assert line.fault.code == "damaged_file"


def test_the_list_of_a_zip_archive_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = zipped({f"{number}.json": b"{}" for number in range(100)})
    monkeypatch.setattr(zip_archives, "LARGEST_DIRECTORY_BYTES", 4_000)

    (line,) = read(packed)

    assert error_of(line) == zip_archives.MANY_MEMBERS


def test_a_zip_archive_that_expands_too_much_is_refused() -> None:
    packed = zipped({"a.ndjson": ndjson(A) * 1_000_000})

    with pytest.raises(ImportLimitError, match="more than 10 times its compressed size"):
        read(packed, limits=ImportLimits(most_expansion=10))


def test_a_header_larger_than_memory_is_rejected() -> None:
    bomb = tarfile.TarInfo("x")
    bomb.type, bomb.size = tarfile.GNUTYPE_LONGNAME, 2**40

    (line,) = read(bomb.tobuf() + bytes(1_024))

    assert error_of(line) == DAMAGED


def test_names_are_printable() -> None:
    archive = tar({"a\x1b\udce9/b.json": ndjson(A)}, tarfile.GNU_FORMAT)

    (line,) = read(archive, name="/etc/t\0.tar")

    assert line.file == "t.tar!a?/b.json"
