"""A key ring's file: who may read it, what is wrong with it, and what a crash leaves."""

import os
from pathlib import Path

import pytest

from trially.keys.providers.errors import MasterKeyLostError, MasterKeyRefusedError
from trially.keys.providers.file_provider import FileProvider
from trially.keys.providers.key_ring_file import (
    create_key_ring,
    new_key_ring,
    read_key_ring,
    replace_key_ring,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "master-key.json"


def test_a_ring_is_read_as_it_was_written(path: Path) -> None:
    ring = new_key_ring()
    create_key_ring(path, ring)
    assert read_key_ring(path) == ring

    longer = ring.with_new_version()
    replace_key_ring(path, longer)
    read = read_key_ring(path)

    assert (read.name, read.newest) == (ring.name, 2)
    assert read.versions[1] == ring.versions[1] != read.versions[2]
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_an_existing_ring_is_never_overwritten_by_a_new_one(path: Path) -> None:
    create_key_ring(path, new_key_ring())
    before = path.read_bytes()

    with pytest.raises(FileExistsError):
        FileProvider(path).create_key()

    assert path.read_bytes() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_ring_that_others_may_read_is_refused(path: Path, mode: int) -> None:
    create_key_ring(path, new_key_ring())
    path.chmod(mode)

    with pytest.raises(MasterKeyRefusedError, match="chmod 600"):
        read_key_ring(path)


def test_a_missing_ring_is_created_only_on_demand(path: Path) -> None:
    with pytest.raises(MasterKeyLostError, match="flask keys create-master"):
        FileProvider(path).newest_version()
    assert not path.exists()

    assert FileProvider(path, creates=True).newest_version() == "1"
    assert FileProvider(path).newest_version() == "1"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b'{"format": "trially-master-key/1", "versions": {}}']
)
def test_a_damaged_ring_is_refused(path: Path, content: bytes) -> None:
    create_key_ring(path, new_key_ring())
    os.truncate(path, 0)
    path.write_bytes(content)

    with pytest.raises(MasterKeyLostError, match="damaged"):
        read_key_ring(path)


def test_a_ring_does_not_show_its_keys() -> None:
    ring = new_key_ring()

    assert repr(ring.versions[1]) not in repr(ring)
