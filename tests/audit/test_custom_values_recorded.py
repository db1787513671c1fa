"""The audit log has old and new values of custom fields, and who defined the fields."""

from flask import Flask
from members import AsMember, MakePatient
from tenant_records import Log

from trially.tenancy.catalog import Tenant

FIELD = {"resource": "patient", "name": "nickname", "label": "Nickname", "type": "text"}


def test_definitions_and_values_are_recorded(
    app: Flask, tenant: Tenant, as_member: AsMember, make_patient: MakePatient
) -> None:
    member = as_member(tenant)
    patient = make_patient(member)
    log = Log(app, tenant)

    member.post("/custom-fields", json=FIELD)
    [defined] = log.new()
    for value in ("Zqbefore", "Zqafter"):
        changed = member.patch(f"/patients/{patient['id']}", json={"custom": {"nickname": value}})
        assert changed.status_code == 200, changed.text
    written = [record for record in log.new() if record.action == "update"]

    assert "label" in defined.columns("custom_field")
    assert [record.columns("custom_field") for record in written] == [{"is_used"}, set()]
    values = log.values(written[1], patient["id"])
    assert values["custom"] == [{"nickname": "Zqbefore"}, {"nickname": "Zqafter"}]
    assert "Zqafter" not in str(written[1].details)
