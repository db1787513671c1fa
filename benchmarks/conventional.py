"""The conventional app: a competent team's app for one tenant, not optimised for speed.

It has one database, Flask-SQLAlchemy with ORM rows, marshmallow for input and output, and Flask's
JSON. Each request verifies the token and reads the member. The app serves the same three routes
from the twin's rows, with the same checks of tokens, members and bodies. `key_by_id` gives its
tables the keys of an app without tenants.
"""

import datetime as dt
from typing import Any
from uuid import UUID

from flask import Flask, abort, g, jsonify, request
from flask_sqlalchemy import SQLAlchemy
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from marshmallow import ValidationError
from sqlalchemy import DateTime, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, registry
from uuid_utils.compat import uuid7

from benchmarks.installation import settings_of_environment
from benchmarks.twin import SLUG
from trially import create_app
from trially.auth.permissions import ROLE_PERMISSIONS, Permission, Role
from trially.recruiting.patients.schema import PatientBodySchema, PatientSchema
from trially.state import state_of
from trially.tenancy.directory import directory
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute


class Base(DeclarativeBase):
    registry = registry(
        type_annotation_map={dt.datetime: DateTime(timezone=True), dict[str, Any]: JSONB}
    )


db = SQLAlchemy(model_class=Base, disable_autonaming=True)


class Member(Base):
    __tablename__ = "member"

    tenant_id: Mapped[UUID]
    id: Mapped[UUID] = mapped_column(primary_key=True)
    issuer: Mapped[str]
    subject: Mapped[str]
    role: Mapped[str]


class Patient(Base):
    __tablename__ = "patient"

    tenant_id: Mapped[UUID]
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    site_id: Mapped[UUID | None]
    source: Mapped[str] = mapped_column(default="manual")
    source_id: Mapped[str]
    mrn: Mapped[str]
    given_name: Mapped[str | None]
    family_name: Mapped[str | None]
    birth_date: Mapped[dt.date | None]
    birth_date_precision: Mapped[str | None]
    sex: Mapped[str | None]
    gender_identity: Mapped[str | None]
    race: Mapped[str | None]
    ethnicity: Mapped[str | None]
    language: Mapped[str | None]
    phone: Mapped[str | None]
    email: Mapped[str | None]
    address: Mapped[dict[str, Any] | None]
    deceased: Mapped[bool] = mapped_column(default=False)
    deceased_at: Mapped[dt.datetime | None]
    contact_preference: Mapped[str] = mapped_column(default="ok")
    last_encounter_on: Mapped[dt.date | None]
    clinical_version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())


def key_by_id() -> None:
    """Give the twin's tables primary keys on `id`, and members a unique key, as for one tenant.

    The twin's keys begin with `tenant_id`. With these alone, PostgreSQL sorts the whole table for
    a page that is ordered by `id`.
    """
    with server_access().administer(directory().find(SLUG).placement.url.database) as raw:
        execute(
            raw,
            "ALTER TABLE tenant.patient DROP CONSTRAINT pk_patient CASCADE, ADD PRIMARY KEY (id);"
            "ALTER TABLE tenant.member DROP CONSTRAINT pk_member CASCADE, ADD PRIMARY KEY (id),"
            " ADD UNIQUE (issuer, subject);"
            "ANALYZE tenant.patient, tenant.member",
        )


def conventional_app() -> Flask:
    """Return the app, in a process that an installation has started."""
    settings = settings_of_environment()
    installed = create_app(settings)
    with installed.app_context():
        place = directory().find(SLUG).placement
    issuer = state_of(installed).dev_issuer
    keys = KeySet.import_key_set(issuer.public_keys())
    claims_rules = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": issuer.url},
        aud={"essential": True, "value": issuer.audience},
        exp={"essential": True},
    )
    app = Flask("conventional")
    app.config["SQLALCHEMY_DATABASE_URI"] = place.url
    db.init_app(app)
    one, many, body = PatientSchema(), PatientSchema(many=True), PatientBodySchema()

    @app.before_request
    def authenticate() -> None:
        raw = request.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            token = jwt.decode(raw, keys, algorithms=["RS256"])
            claims_rules.validate(token.claims)
        except (JoseError, ValueError):
            abort(401)
        member = db.session.scalar(
            select(Member).where(
                Member.issuer == token.claims["iss"], Member.subject == token.claims["sub"]
            )
        )
        needed = Permission.PATIENTS_WRITE if request.method == "POST" else Permission.PATIENTS_READ
        if member is None or needed not in ROLE_PERMISSIONS[Role(member.role)]:
            abort(403)
        g.member = member

    @app.get("/api/v1/patients/<uuid:patient_id>")
    def show_patient(patient_id: UUID) -> Any:
        patient = db.session.get(Patient, patient_id)
        if patient is None:
            abort(404)
        return jsonify(one.dump(patient))

    @app.get("/api/v1/patients")
    def list_patients() -> Any:
        limit = min(request.args.get("limit", 50, int), 200)
        rows = db.session.scalars(select(Patient).order_by(Patient.id).limit(limit + 1)).all()
        page = {"next": str(rows[limit - 1].id), "has_more": True} if len(rows) > limit else None
        return jsonify({"data": many.dump(rows[:limit]), "page": page})

    @app.post("/api/v1/patients")
    def create_patient() -> Any:
        try:
            values = body.load(request.get_json())
        except ValidationError as error:
            return jsonify(error.messages), 422
        patient_id = uuid7()
        patient = Patient(
            **values,
            id=patient_id,
            tenant_id=place.tenant_id,
            source_id=str(patient_id),
            birth_date_precision="day",
        )
        db.session.add(patient)
        db.session.commit()
        return jsonify(one.dump(patient)), 201

    return app
