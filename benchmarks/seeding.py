"""Create tenants for measurements, each with a member and the same patients."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from flask import Flask
from sqlalchemy import text
from uuid_utils.compat import uuid7

from benchmarks.twin import SLUG, create_twin_database
from trially.auth.members.managing import add_member
from trially.auth.roles import Role
from trially.database.rows import insert_item
from trially.database.session import db, transaction
from trially.recruiting.patients.model import Patient
from trially.state import state_of
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant

PATIENTS = 500


@dataclass(frozen=True)
class Seeded:
    """The parts of requests. They are valid for trially and for the twin."""

    tokens: list[str]
    """One for each tenant."""
    patient_ids: list[UUID]
    """The same in every tenant."""


def seed(app: Flask, tenants: int, tier: Tier = Tier.DEDICATED_DATABASE) -> Seeded:
    """Create the tenants, and the twin's database with the members of all of them."""
    patient_ids = [uuid7() for _ in range(PATIENTS)]
    subjects = [f"member|{number}" for number in range(tenants)]
    with app.app_context():
        create_twin_database()
        fill(SLUG, subjects, patient_ids)
        for number, subject in enumerate(subjects):
            create_tenant(f"tenant-{number}", f"Tenant {number}", tier=tier)
            fill(f"tenant-{number}", [subject], patient_ids)
    issuer = state_of(app).dev_issuer
    tokens = [
        issuer.issue_token(subject=subject, tenant=f"tenant-{number}")
        for number, subject in enumerate(subjects)
    ]
    return Seeded(tokens, patient_ids)


def fill(slug: str, subjects: list[str], patient_ids: list[UUID]) -> None:
    """Add coordinators and patients to a tenant."""
    with tenant_context(slug):
        for subject in subjects:
            add_member(subject, Role.COORDINATOR)
        with transaction():
            for number, patient_id in enumerate(patient_ids):
                insert_item(Patient, describe_patient(number, patient_id), ("id",))
            # Without statistics, PostgreSQL cannot tell which index is the best.
            db.session.execute(text("SELECT trially.analyze_tables()"))


def describe_patient(number: int, patient_id: UUID) -> dict[str, object]:
    """Return the values of the patient with this number."""
    return {
        "id": patient_id,
        "source_id": str(patient_id),
        "mrn": f"MRN-{number:06d}",
        "given_name": f"Given{number}",
        "family_name": f"Family{number % 90}",
        "birth_date": dt.date(1940 + number % 60, 1 + number % 12, 1 + number % 28),
        "birth_date_precision": "day",
        "sex": ("female", "male")[number % 2],
        "phone": f"+1 555 010 {number:04d}",
        "email": f"patient{number}@example.org",
        "address": {
            "line": f"{number} Main Street",
            "city": "Springfield",
            "state": "MA",
            "postal_code": "01101",
            "country": "US",
        },
    }
