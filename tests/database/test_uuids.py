from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from trially.database.session import db
from trially.database.uuids import read_uuid
from trially.tenancy.context import tenant_context

SOME = [UUID(int=0), UUID(int=2**128 - 1), uuid4(), uuid4()]


@pytest.mark.parametrize("value", SOME)
def test_a_uuid_is_what_the_constructor_makes(value):
    read = read_uuid(str(value))

    assert type(read) is UUID
    assert (read, hash(read), str(read), read.is_safe) == (
        value,
        hash(value),
        str(value),
        value.is_safe,
    )


def test_connections_of_tenants_read_uuids(app, tenant):
    with app.app_context(), tenant_context(tenant.slug):
        row = db.session.execute(
            text("SELECT CAST(:some AS uuid[]), CAST(:one AS uuid), CAST(NULL AS uuid)"),
            {"some": SOME, "one": SOME[2]},
        ).one()

    assert tuple(row) == (SOME, SOME[2], None)
