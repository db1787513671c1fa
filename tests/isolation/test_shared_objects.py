"""What belongs to a database and not to a table: large objects and notifications."""

import select
from collections.abc import Callable
from contextlib import closing
from uuid import uuid4

from flask import Flask
from populated_tenants import PopulatedTenant
from psycopg2.extensions import connection
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tenant_databases import ask_in, placement_of
from walls import Wall, wall_of_error

from trially.database.connecting import connect
from trially.database.session import db, transaction
from trially.tenancy.context import tenant_context
from trially.tenancy.servers.connections import execute

SECRET = "a secret of the other tenant"
SECONDS_TO_WAIT = 0.5


def test_a_large_object(
    app: Flask, attacker: PopulatedTenant, victim: PopulatedTenant, record_wall: Callable[..., None]
) -> None:
    with app.app_context(), tenant_context(str(victim.tenant.id)), transaction():
        create = text("SELECT lo_from_bytea(0, convert_to(:secret, 'UTF8'))")
        number = db.session.scalar(create, {"secret": SECRET})
    try:
        with app.app_context(), tenant_context(str(attacker.tenant.id)):
            read = text("SELECT convert_from(lo_get(:number), 'UTF8')")
            content = db.session.scalar(read, {"number": number})
        wall = Wall.LIMIT if content == SECRET else Wall.POLICY
    except DBAPIError as error:
        is_missing = "does not exist" in str(error.orig)
        wall = Wall.OWN_DATABASE if is_missing else wall_of_error(error)
    finally:
        ask_in(app, victim.tenant, "SELECT lo_unlink(%s)", number)

    record_wall("reads the other tenant's large object", wall)


def test_a_notification(
    app: Flask, attacker: PopulatedTenant, victim: PopulatedTenant, record_wall: Callable[..., None]
) -> None:
    channel = f"channel_{uuid4().hex}"
    with closing(connect(placement_of(app, attacker.tenant).url)) as raw:
        execute(raw, f"LISTEN {channel}")
        with app.app_context(), tenant_context(str(victim.tenant.id)), transaction():
            db.session.execute(text("SELECT pg_notify(:name, 'news')"), {"name": channel})
        wall = Wall.LIMIT if received(raw) == ["news"] else Wall.OWN_DATABASE

    record_wall("listens to the other tenant's notifications", wall)


def received(raw: connection) -> list[str]:
    """Return the notifications that arrive soon."""
    select.select([raw], [], [], SECONDS_TO_WAIT)
    raw.poll()
    return [note.payload for note in raw.notifies]
