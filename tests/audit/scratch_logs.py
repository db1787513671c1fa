"""A log of its own in a scratch database, to seal and to forge."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from flask import Flask
from psycopg2 import sql
from psycopg2.extensions import connection
from tenant_databases import access_of

from trially.database.connecting import connect
from trially.seals import Log
from trially.tenancy.servers.connections import execute

LOG = Log("notes", "notes_seal", ("era", "transaction_id", "id", "said"))
DATABASE = "scratch_audit"

TABLES = """
CREATE TABLE notes (
    era integer NOT NULL DEFAULT 1,
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    id uuid NOT NULL,
    said text NOT NULL
);
CREATE INDEX ON notes (era, transaction_id, id);
CREATE TABLE notes_seal (
    number bigint PRIMARY KEY, previous bytea NOT NULL, columns text[] NOT NULL,
    first text[] NOT NULL, last text[] NOT NULL, count integer NOT NULL, records bytea NOT NULL,
    checksums bytea NOT NULL, hash bytea NOT NULL
);
"""


@pytest.fixture(scope="module")
def scratch(app: Flask) -> Iterator[str]:
    """The name of a database with an empty log."""
    with access_of(app).administer() as raw:
        execute(raw, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    with closing(opened(app)) as raw, raw:
        execute(raw, TABLES)
    yield DATABASE
    with access_of(app).administer() as raw:
        execute(raw, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(DATABASE)))


@pytest.fixture
def notes(app: Flask, scratch: str) -> Iterator[connection]:
    """A connection to the log, which is empty."""
    with closing(opened(app)) as raw:
        execute(raw, "TRUNCATE notes, notes_seal")
        raw.commit()
        yield raw


def opened(app: Flask) -> connection:
    """Return a connection to the scratch database, whose transactions the caller commits."""
    raw = connect(access_of(app).administrator_url(DATABASE))
    raw.autocommit = False
    return raw
