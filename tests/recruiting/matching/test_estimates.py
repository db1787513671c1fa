"""PostgreSQL's estimates do not depend on when it last looked at the numbers of patients."""

import json

from flask import Flask
from members import AsMember, MakePatient, MakeTenant
from sqlalchemy import text
from tenant_databases import access_of

from trially.database.session import db, transaction
from trially.recruiting.matching.model import IS_NUMBERED
from trially.recruiting.matching.subjects import number_changes
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.servers.connections import execute

PATIENTS = 30


def test_patients_are_expected_who_were_numbered_after_the_last_analyze(
    app: Flask, make_tenant: MakeTenant, as_member: AsMember, make_patient: MakePatient
) -> None:
    member = as_member(make_tenant(Tier.DEDICATED_DATABASE))
    for _ in range(PATIENTS):
        make_patient(member)
    with access_of(app).administer(member.tenant.placement.database) as raw:
        execute(raw, f"ANALYZE {member.tenant.placement.schema}.match_subject")

    with app.app_context(), tenant_context(str(member.tenant.id)), transaction():
        number_changes()
        [explained] = db.session.execute(
            text(
                "EXPLAIN (FORMAT json) SELECT ordinal FROM match_subject AS subject"
                f" WHERE tenant_id = :tenant_id AND {IS_NUMBERED}"
            ),
            {"tenant_id": member.tenant.id},
        ).scalar_one()

    assert explained["Plan"]["Plan Rows"] >= PATIENTS / 4, json.dumps(explained)
