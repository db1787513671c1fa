"""Local servers of a development machine that cannot start, or that a setting excludes."""

from dataclasses import replace

from sqlalchemy import make_url

from trially.tenancy.servers.local import local_servers, start_local_servers


def test_a_server_that_does_not_start_is_reported_and_the_app_starts(settings, tmp_path, caplog):
    data = tmp_path / "servers" / "old" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("9\n")

    start_local_servers(replace(settings, instance=tmp_path))

    assert "The local server old is not running. PostgreSQL 9 created" in caplog.text


def test_beside_a_server_of_ones_own_there_are_no_local_servers(settings, tmp_path):
    (tmp_path / "servers" / "second").mkdir(parents=True)
    local = replace(settings, instance=tmp_path)

    assert local_servers(local) == ["second"]
    assert not local_servers(replace(local, database_url=make_url("postgresql://elsewhere")))
