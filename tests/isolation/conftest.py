"""Two tenants that have some of everything, and a way to see all that a tenant has."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from trially.database.model import TenantModel
from trially.database.session import db
from trially.tenancy.context import tenant_context

BAD_LINES = b'{"resourceType": "Patient"}\n{"resourceType": "Patient", "id": 5}\n'


@dataclass
class Household:
    """A tenant with two of everything, by the names of the routes' arguments."""

    member: Any
    ids: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def make_household(
    make_tenant: Callable[..., Any],
    as_member: Callable[..., Any],
    make_patient: Callable[..., Any],
    make_fact: Callable[..., Any],
) -> Callable[[], Household]:
    def make() -> Household:
        tenant = make_tenant()
        member, _ = as_member(tenant), as_member(tenant)
        for number in range(2):
            site = member.post("/sites", json={"name": f"Site {number}"}).json
            study = member.post(
                "/studies", json={"protocol_number": f"P-{number}", "title": "A study"}
            ).json
            patient = make_patient(member, site_id=site["id"])
        for _ in range(2):
            make_fact(member.tenant, patient["id"])
            job = member.post("/imports", data=BAD_LINES, content_type="application/ndjson").json
            member.post("/imports", data=BAD_LINES + b"\n", content_type="application/ndjson")
        ids = {"site_id": site["id"], "study_id": study["id"], "patient_id": patient["id"]}
        return Household(member, {**ids, "import_id": job["id"]})

    return make


@pytest.fixture(scope="module")
def ours(make_household: Callable[[], Household]) -> Household:
    return make_household()


@pytest.fixture(scope="module")
def theirs(make_household: Callable[[], Household]) -> Household:
    return make_household()


@pytest.fixture(scope="session")
def dump(app: Flask) -> Callable[[Household], dict[str, list[Any]]]:
    """Read every row of every table of a tenant."""

    def read(household: Household) -> dict[str, list[Any]]:
        with app.app_context(), tenant_context(str(household.member.tenant.id)):
            return {
                table.name: [
                    tuple(row)
                    for row in db.session.execute(select(table).order_by(table.c.id)).all()
                ]
                for table in TenantModel.metadata.sorted_tables
            }

    return read
