"""Archives in a bucket of S3, over HTTP, with a server of moto's on this machine."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import boto3
import pytest
from flask import Flask
from members import Member
from moto.server import ThreadedMotoServer

from trially.tenancy.archives.adopting import adopt_archives
from trially.tenancy.archives.backups import BackupOptions, back_up
from trially.tenancy.archives.errors import NoArchiveError
from trially.tenancy.archives.finding import archives_of
from trially.tenancy.archives.model import Archive
from trially.tenancy.archives.places import UnusablePlaceError, exists, new_file, open_file
from trially.tenancy.archives.restoring import RestoreOptions, restore_as, verify_before
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import catalog_transaction

MakeMember = Callable[[Tier], Member]
SIZE = 20 << 20
"""More than is sent in one request."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Create a bucket, and let the environment say how it is reached, as the runbook does."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "the-key-id",
        "AWS_SECRET_ACCESS_KEY": "the-secret",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": server,
        "AWS_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    bucket = boto3.resource("s3", endpoint_url=server).Bucket(f"archives-{uuid4().hex[:12]}")
    bucket.create()
    return bucket


@pytest.fixture
def place(bucket: Any) -> str:
    return f"s3://{bucket.name}/trially"


def names_in(bucket: Any) -> list[str]:
    return sorted(each.key for each in bucket.objects.all())


def test_a_tenant_is_backed_up_verified_restored_and_pruned(
    app: Flask, run_command: Callable[..., Any], make_member: MakeMember, bucket: Any, place: str
) -> None:
    member = make_member(Tier.OWN_SCHEMA)
    slug = member.tenant.slug
    backup = run_command("tenants", "backup", slug, "--to", place, "--json")
    assert backup.exit_code == 0, backup.output
    [done] = json.loads(backup.stdout)
    [name] = names_in(bucket)
    assert done["url"] == f"s3://{bucket.name}/{name}"
    stored = bucket.Object(name).get()["Body"].read()
    assert hashlib.sha256(stored).hexdigest() == done["sha256"]
    assert slug.encode() not in stored

    assert run_command("backups", "verify", slug).exit_code == 0
    copy = f"from-s3-{uuid4().hex[:8]}"
    restored = run_command("tenants", "restore", done["url"], "--as", copy, "--json")
    assert restored.exit_code == 0, restored.output
    with app.app_context():
        again = back_up(copy, BackupOptions(place))
        hashes = {each.name: each.hash for each in verify_before(again.url).tables}
        for table in verify_before(done["url"]).tables:
            if table.name in ("patient", "site", "member"):
                assert hashes[table.name] == table.hash

    assert run_command("tenants", "backup", slug, "--to", place).exit_code == 0
    assert run_command("backups", "prune", slug, "--keep", "1d", "--yes").exit_code == 0
    assert name not in names_in(bucket)


def test_a_large_file_is_sent_in_parts_and_read_again(bucket: Any, place: str) -> None:
    url, content = f"{place}/large", os.urandom(SIZE)
    with new_file(url) as file:
        for start in range(0, SIZE, 1 << 20):
            file.write(content[start : start + (1 << 20)])
    assert exists(url)
    assert "-" in bucket.Object("trially/large").e_tag  # The mark of an upload in parts.
    with open_file(url) as file:
        assert file.read() == content


def test_a_file_whose_writer_fails_does_not_exist(bucket: Any, place: str) -> None:
    url = f"{place}/broken"

    def fail() -> None:
        with new_file(url) as file:
            file.write(os.urandom(SIZE))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not exists(url)
    assert names_in(bucket) == []
    with pytest.raises(NoArchiveError), open_file(url):
        pass


def test_an_object_that_the_catalog_lacks_is_recorded(
    app: Flask, make_member: MakeMember, place: str
) -> None:
    member, neighbour = make_member(Tier.POOLED_ROWS), make_member(Tier.POOLED_ROWS)
    with app.app_context():
        written = back_up(member.tenant.slug, BackupOptions(place))
        with catalog_transaction() as session:
            session.delete(session.get_one(Archive, written.id))
        assert list(adopt_archives(place, neighbour.tenant.id)) == []
        [adopted] = adopt_archives(place)
        assert (adopted.url, adopted.error) == (written.url, None)
        [found] = archives_of(member.tenant.id)
        assert (found.sha256, found.size) == (written.sha256, written.size)
        slug = f"adopted-{uuid4().hex[:8]}"
        restore_as(found.url, slug, verify_before(found.url), RestoreOptions())


def test_a_bucket_that_does_not_exist_is_named(
    app: Flask, make_member: MakeMember, bucket: Any
) -> None:
    member, missing = make_member(Tier.POOLED_ROWS), "s3://no-such-bucket/trially"
    with app.app_context():
        with pytest.raises(UnusablePlaceError, match="no-such-bucket"):
            back_up(member.tenant.slug, BackupOptions(missing))
        with pytest.raises(UnusablePlaceError, match="no-such-bucket"):
            list(adopt_archives(missing))
        assert archives_of(member.tenant.id) == []
