"""Tenants with audit records and seals."""

from uuid_utils.compat import uuid7

from trially.audit.forms import Action, Form, Purpose
from trially.audit.sealer import seal_tenant
from trially.audit.subjects import pack
from trially.database.session import db
from trially.tenancy.context import tenant_context

FORM = Form("GET /patients", Action.SEARCH, Purpose.RESEARCH, "full", ("name", "Ärzte <b>"))


def write_records(slug, number, form=FORM, new_id=uuid7):
    """Add audit records, each in a transaction of its own, and return the ids."""
    ids = []
    with tenant_context(slug) as entry:
        tenant_id = entry.placement.tenant_id
        for _ in range(number):
            ids.append(new_id())
            run = db.session.connection().exec_driver_sql
            run(
                "INSERT INTO audit_form (tenant_id, id, route, action, purpose, phi_level, fields)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (
                    tenant_id,
                    form.id,
                    form.route,
                    form.action,
                    form.purpose,
                    form.phi_level,
                    form.fields_json,
                ),
            )
            run(
                "INSERT INTO audit_record (tenant_id, id, form_id, epoch, outcome, subjects,"
                " details) VALUES (%s, %s, %s, 1, 200, %s, %s)",
                (tenant_id, ids[-1], form.id, pack([7]), '{"note": "tab \\t and \\\\ \\u00e4"}'),
            )
            db.session.commit()
    return [str(each) for each in ids]


def write_and_seal(slug):
    ids = write_records(slug, 3)
    assert seal_tenant(slug).records == 3
    return ids
