"""An archive that is not as it was written is refused, whatever was changed, before any restore."""

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pyrage
import pytest
from flask import Flask
from members import Member

from trially.tenancy.archives.archive_keys import authenticate, identity_of
from trially.tenancy.archives.backups import BackupOptions, back_up
from trially.tenancy.archives.errors import (
    ArchiveError,
    DamagedArchiveError,
    ForeignArchiveError,
    NoArchiveError,
)
from trially.tenancy.archives.manifest import AUTHENTICATION, MANIFEST, Header
from trially.tenancy.archives.replacing import replace_with
from trially.tenancy.archives.restoring import RestoreOptions, restore_as, verify_before
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.data_keys import (
    DestroyedKeyError,
    UnknownKeyError,
    data_key_of_version,
    destroy_data_keys,
    rotate_data_key,
)
from trially.tenancy.lifecycle.listing import list_tenants

MakeMember = Callable[[Tier], Member]
Members = list[tuple[str, bytes]]


class ArchiveFile:
    """An archive in a folder, whose bytes a test changes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = path.as_uri()
        self.bytes = path.read_bytes()
        line, _, self.body = self.bytes.partition(b"\n")
        self.header = Header.parse(line)

    def write(self, data: bytes) -> None:
        self.path.write_bytes(data)

    def members(self) -> Members:
        """Return the names and contents of the members, in their order."""
        identity = identity_of(self._key, self.header.archive_id)
        with tarfile.open(fileobj=io.BytesIO(pyrage.decrypt(self.body, [identity]))) as tar:
            return [(each.name, tar.extractfile(each).read()) for each in tar]  # type: ignore[union-attr]

    def rewrite(self, members: Members, *, is_authenticated: bool = True) -> None:
        """Write other members, encrypted for the archive's key. Everybody can encrypt with age."""
        plain = io.BytesIO()
        with tarfile.open(fileobj=plain, mode="w") as tar:
            for name, content in members:
                if name == AUTHENTICATION and is_authenticated:
                    manifest = dict(members)[MANIFEST]
                    content = authenticate(self._key, self.header.archive_id, manifest).encode()
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        recipient = identity_of(self._key, self.header.archive_id).to_public()
        self.write(self.header.line() + pyrage.encrypt(plain.getvalue(), [recipient]))

    @property
    def _key(self):  # type: ignore[no-untyped-def]
        return data_key_of_version(self.header.tenant_id, self.header.key_version)


@pytest.fixture
def member(make_member: MakeMember) -> Member:
    return make_member(Tier.POOLED_ROWS)


@pytest.fixture
def archive(app: Flask, member: Member, tmp_path: Path) -> Iterator[ArchiveFile]:
    with app.app_context():
        written = back_up(member.tenant.slug, BackupOptions(place=tmp_path.as_uri()))
        yield ArchiveFile(Path(urlsplit(written.url).path))


def refused(archive: ArchiveFile, kind: type[Exception] = ArchiveError) -> str:
    """Verify an archive, expect its refusal, and return the sentence."""
    before = {tenant.slug for tenant in list_tenants()}
    with pytest.raises(kind) as caught:
        verify_before(archive.url)
    assert {tenant.slug for tenant in list_tenants()} == before
    return str(caught.value)


def test_the_archive_as_it_was_written_is_accepted(archive: ArchiveFile) -> None:
    assert verify_before(archive.url).header == archive.header


def test_a_flipped_bit_is_found_wherever_it_is(archive: ArchiveFile) -> None:
    size, first = len(archive.bytes), len(archive.header.line())
    places = {*range(first, size, max(1, size // 150)), first + 1, size - 1, size - 16}
    for place in sorted(places):
        data = bytearray(archive.bytes)
        data[place] ^= 1 << place % 8
        archive.write(bytes(data))
        assert "Nothing was restored" in refused(archive, DamagedArchiveError), place


def test_a_bit_in_each_member_is_found_by_the_manifest(archive: ArchiveFile) -> None:
    members = archive.members()
    for index, (name, content) in enumerate(members):
        data = bytearray(content)
        data[len(data) // 2] ^= 1
        changed = [*members[:index], (name, bytes(data)), *members[index + 1 :]]
        archive.rewrite(changed, is_authenticated=False)
        refused(archive)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_a_truncated_archive_is_refused(archive: ArchiveFile, share: float) -> None:
    archive.write(archive.bytes[: min(int(len(archive.bytes) * share), len(archive.bytes) - 1)])
    refused(archive)


def test_an_archive_cut_at_a_chunk_of_age_is_refused(archive: ArchiveFile) -> None:
    members = archive.members()
    padding = ("tables/patient/000002.copy.zst", bytes(200_000))
    archive.rewrite([*members[:-2], padding, *members[-2:]])
    data = archive.path.read_bytes()
    head = len(archive.header.line()) + data.partition(b"\n")[2].index(b"\n---") + 4
    body = data.index(b"\n", head) + 1 + 16
    archive.write(data[: body + 65_536 + 16])
    refused(archive, DamagedArchiveError)


def test_bytes_behind_the_end_are_refused(archive: ArchiveFile) -> None:
    archive.write(archive.bytes + b"more")
    refused(archive, DamagedArchiveError)


def test_members_that_are_missing_swapped_or_twice_are_refused(archive: ArchiveFile) -> None:
    members = archive.members()
    tables = [index for index, (name, _) in enumerate(members) if name.startswith("tables/")]
    first, second = tables[0], tables[1]
    swapped = list(members)
    swapped[first] = (members[first][0], members[second][1])
    swapped[second] = (members[second][0], members[first][1])
    variants = [
        swapped,
        members[:-1],
        members[:-2],
        [*members[:first], *members[first + 1 :]],
        [*members[: first + 1], members[first], *members[first + 1 :]],
        [*members[-2:], *members[:-2]],
        [*members[:-2], ("tables/../../passwd/000001.copy.zst", members[first][1]), *members[-2:]],
        [*members[:-2], ("script.sql", b"DROP TABLE patient"), *members[-2:]],
    ]
    for variant in variants:
        archive.rewrite(variant)
        refused(archive, DamagedArchiveError)


def test_a_manifest_that_was_written_without_the_data_key_is_refused(archive: ArchiveFile) -> None:
    """Age alone does not authenticate: who knows the recipient can encrypt."""
    members = dict(archive.members())
    manifest = json.loads(members[MANIFEST])
    manifest["slug"] = "another"
    members[MANIFEST] = json.dumps(manifest).encode()
    archive.rewrite(list(members.items()), is_authenticated=False)
    assert "not written by this installation" in refused(archive, ForeignArchiveError)


def test_another_header_does_not_open_the_archive(
    app: Flask, archive: ArchiveFile, make_member: MakeMember
) -> None:
    header = archive.header
    neighbour = make_member(Tier.POOLED_ROWS).tenant.id
    rotate_data_key(header.tenant_id)
    for other in (
        Header(uuid4(), header.tenant_id, header.key_version),
        Header(header.archive_id, neighbour, header.key_version),
        Header(header.archive_id, header.tenant_id, header.key_version + 1),
    ):
        archive.write(other.line() + archive.body)
        refused(archive, DamagedArchiveError)
    for unknown in (
        Header(header.archive_id, uuid4(), 1),
        Header(header.archive_id, header.tenant_id, 99),
    ):
        archive.write(unknown.line() + archive.body)
        refused(archive, UnknownKeyError)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"PGDMP\x01",
        b"age-encryption.org/v1\n",
        b'{"format": "trially-archive/2", "archive": 1}\n',
        b"{}\n",
        b"\x00" * 10_000,
        b'{"format": "trially-archive/1", "archive": "x", "tenant": "y", "key_version": 1}\n',
    ],
)
def test_what_is_no_archive_is_refused(archive: ArchiveFile, content: bytes) -> None:
    archive.write(content)
    refused(archive, ForeignArchiveError)


def test_a_newer_format_is_named(archive: ArchiveFile) -> None:
    archive.write(archive.header.line().replace(b"archive/1", b"archive/2") + archive.body)
    assert "trially-archive/2" in refused(archive, ForeignArchiveError)


def test_a_newer_revision_is_refused(archive: ArchiveFile) -> None:
    members = dict(archive.members())
    manifest = json.loads(members[MANIFEST])
    manifest["revision"] = "9999"
    members[MANIFEST] = json.dumps(manifest).encode()
    archive.rewrite(list(members.items()))
    assert "9999" in refused(archive)


def test_a_missing_archive_is_named(archive: ArchiveFile) -> None:
    archive.path.unlink()
    assert archive.url in refused(archive, NoArchiveError)


def test_the_archive_of_another_tenant_in_this_ones_place_is_refused(
    archive: ArchiveFile, make_member: MakeMember, tmp_path: Path
) -> None:
    neighbour = make_member(Tier.POOLED_ROWS).tenant
    other = back_up(neighbour.slug, BackupOptions(place=(tmp_path / "other").as_uri()))
    archive.write(Path(urlsplit(other.url).path).read_bytes())
    assert "exchanged the file" in refused(archive, ForeignArchiveError)


def test_the_archive_of_another_tenant_replaces_nothing(
    archive: ArchiveFile, member: Member, make_member: MakeMember, tmp_path: Path
) -> None:
    neighbour = make_member(Tier.POOLED_ROWS)
    before = neighbour.get("/patients").json["data"]
    with pytest.raises(ForeignArchiveError):
        replace_with(
            archive.url,
            neighbour.tenant.slug,
            verify_before(archive.url),
            RestoreOptions(),
            BackupOptions(place=tmp_path.as_uri()),
        )
    assert neighbour.get("/patients").json["data"] == before


def test_a_file_that_was_exchanged_after_it_was_verified_is_not_restored(
    archive: ArchiveFile, member: Member, tmp_path: Path
) -> None:
    manifest = verify_before(archive.url)
    later = back_up(member.tenant.slug, BackupOptions(place=(tmp_path / "later").as_uri()))
    archive.write(Path(urlsplit(later.url).path).read_bytes())
    slug = f"restored-{uuid4().hex[:8]}"
    with pytest.raises(ForeignArchiveError, match="exchanged"):
        restore_as(archive.url, slug, manifest, RestoreOptions())
    assert slug not in {tenant.slug for tenant in list_tenants()}


def test_nobody_opens_an_archive_whose_key_was_destroyed(archive: ArchiveFile) -> None:
    destroy_data_keys(UUID(str(archive.header.tenant_id)))
    refused(archive, DestroyedKeyError)
