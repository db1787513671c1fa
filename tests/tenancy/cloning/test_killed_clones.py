"""A clone whose process is killed is finished, or undone without a trace."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from killed_programs import run_killed
from members import AsMember, MakePatient, MakeTenant
from tenant_databases import ask

from trially.auth.roles import Role
from trially.config import Settings
from trially.tenancy.catalog import Operation, Tenant
from trially.tenancy.catalog_choices import OperationState
from trially.tenancy.lifecycle.operations import all_operations, undo_operation
from trially.tenancy.lifecycle.status import get_tenant

RESUMED = (
    *("create_storage:done", "grant_access:recorded", "copying", "copy_rows:done"),
    *("copy_rows:recorded", "derive:done", "add_owner:done", "activate:done"),
)
UNDONE = ("create_role:recorded", "copying", "derive:recorded")
SLUGS = {
    **{("resume", moment): f"resumed-{number}" for number, moment in enumerate(RESUMED)},
    **{("undo", moment): f"undone-{number}" for number, moment in enumerate(UNDONE)},
}


@pytest.fixture(scope="module")
def source(make_tenant: MakeTenant, as_member: AsMember, make_patient: MakePatient) -> Tenant:
    tenant = make_tenant()
    for number in range(3):
        make_patient(as_member(tenant), family_name=f"Quillfeather{number}")
    return tenant


@pytest.fixture(scope="module")
def killed(app: Flask, settings: Settings, source: Tenant) -> dict[tuple[str, str], Operation]:
    """Kill a process at each moment, and return the operation that each left."""
    lines = [f"{source.slug} {slug} {moment}" for (_, moment), slug in SLUGS.items()]
    run_killed(Path(__file__).with_name("killed_clones.py"), lines, settings, seconds=120)
    with app.app_context():
        left = {operation.tenant_slug: operation for operation in all_operations()}
    return {key: left[slug] for key, slug in SLUGS.items()}


@pytest.mark.parametrize("moment", RESUMED)
def test_a_killed_clone_is_resumed(
    app: Flask,
    killed: dict[tuple[str, str], Operation],
    run_command: Callable[..., Any],
    as_member: AsMember,
    moment: str,
) -> None:
    operation = killed["resume", moment]

    result = run_command("operations", "resume", str(operation.id))

    assert result.exit_code == 0, result.output
    with app.app_context():
        tenant = get_tenant(operation.tenant_slug)
    patients = as_member(tenant, Role.ADMIN).get("/patients").json["data"]
    assert len(patients) == 3
    assert not any("Quillfeather" in each["family_name"] for each in patients)
    found = as_member(tenant).post(
        "/patients/search", json={"family_name": patients[0]["family_name"]}
    )
    assert found.status_code == 200, found.json
    assert patients[0]["id"] in {each["id"] for each in found.json["data"]}


@pytest.mark.parametrize("moment", UNDONE)
def test_a_killed_clone_is_undone(
    app: Flask, killed: dict[tuple[str, str], Operation], source: Tenant, moment: str
) -> None:
    operation = killed["undo", moment]

    with app.app_context():
        assert undo_operation(operation.id, "a test").state == OperationState.UNDONE

    database = "trially_catalog"
    for table, column in (("tenant", "id"), ("placement", "tenant_id")):
        rows = ask(
            app,
            f"SELECT 1 FROM catalog.{table} WHERE {column} = %s",
            str(operation.tenant_id),
            database=database,
        )
        assert rows == []
    assert ask(app, "SELECT 1 FROM pg_roles WHERE rolname = %s", f"t_{operation.tenant_id}") == []
