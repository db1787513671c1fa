"""The conventional apps for one tenant: `lean_app` is the yardstick C, `equal_app` does more.

Both have one database, Flask-SQLAlchemy with ORM rows, marshmallow for input and output, and
Flask's JSON, and verify the token of each request. `equal_app` also does what a careful team would
do for such data: it reads the member, checks the permission, and records who saw or wrote which
patients in the transaction of the request. It answers the same fields as trially.
"""

from typing import Any
from uuid import UUID

from flask import Flask, abort, g, jsonify, request
from flask_sqlalchemy import SQLAlchemy
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from marshmallow import EXCLUDE, Schema, ValidationError, fields
from marshmallow.validate import Length, OneOf
from sqlalchemy import make_url, select
from uuid_utils.compat import uuid7

from benchmarks.peers.issuer import AppSettings, may, settings_of_app
from benchmarks.peers.tables import AuditRecord, Base, LeanPatient, Member, Patient

PATH = "/api/v1/patients"


class LeanSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    id = fields.UUID(dump_only=True)
    mrn = fields.String(required=True, validate=Length(1, 128))
    given_name = fields.String(required=True, validate=Length(1, 200))
    family_name = fields.String(required=True, validate=Length(1, 200))
    birth_date = fields.Date(required=True)
    sex = fields.String(required=True, validate=OneOf(("female", "male", "other", "unknown")))
    created_at = fields.AwareDateTime(dump_only=True)


class AddressSchema(Schema):
    line = fields.String(validate=Length(max=1000))
    city = fields.String(validate=Length(max=200))
    state = fields.String(validate=Length(max=200))
    postal_code = fields.String(validate=Length(max=200))
    country = fields.String(validate=Length(max=200))


class EqualSchema(LeanSchema):
    class Meta:
        unknown = "raise"

    birth_date_precision = fields.String(dump_only=True)
    gender_identity = fields.String(validate=Length(max=200))
    race = fields.String(validate=Length(max=200))
    ethnicity = fields.String(validate=Length(max=200))
    language = fields.String(validate=Length(max=64))
    phone = fields.String(validate=Length(max=64))
    email = fields.String(validate=Length(max=320))
    address = fields.Nested(AddressSchema)
    deceased = fields.Boolean()
    deceased_at = fields.AwareDateTime()
    deceased_on = fields.Date(dump_only=True)
    deceased_precision = fields.String(dump_only=True)
    date_problem = fields.String(dump_only=True)
    impossible_dates = fields.Dict(dump_only=True)
    contact_preference = fields.String(validate=OneOf(("ok", "restricted", "do_not_contact")))
    site_id = fields.UUID()
    source = fields.String(dump_only=True)
    source_id = fields.String(dump_only=True)
    mrn_system = fields.String(dump_only=True)
    active = fields.Boolean(dump_only=True)
    record_status = fields.String(dump_only=True)
    replaced_by_id = fields.UUID(dump_only=True)
    withdrawn_reason = fields.String(dump_only=True)
    corrections = fields.Dict(dump_only=True)
    custom = fields.Dict(dump_only=True)
    last_encounter_on = fields.Date(dump_only=True)
    clinical_version = fields.Integer(dump_only=True)
    updated_at = fields.AwareDateTime(dump_only=True)


def lean_app() -> Flask:
    """Return the yardstick C."""
    app, db, read_claims = _start("lean")
    one, many = LeanSchema(), LeanSchema(many=True)

    @app.before_request
    def authenticate() -> None:
        read_claims()

    @app.get(f"{PATH}/<uuid:patient_id>")
    def show_patient(patient_id: UUID) -> Any:
        return jsonify(one.dump(db.get_or_404(LeanPatient, patient_id)))

    @app.get(PATH)
    def list_patients() -> Any:
        limit = min(request.args.get("limit", 50, int), 200)
        rows = db.session.scalars(select(LeanPatient).order_by(LeanPatient.id).limit(limit))
        return jsonify({"data": many.dump(rows)})

    @app.post(PATH)
    def create_patient() -> Any:
        patient = LeanPatient(**_load(one), id=uuid7())
        db.session.add(patient)
        db.session.flush()
        shown = one.dump(patient)
        db.session.commit()
        return jsonify(shown), 201

    return app


def equal_app() -> Flask:
    """Return the conventional app that does for one tenant what trially does for many."""
    app, db, read_claims = _start("equal")
    one, many = EqualSchema(), EqualSchema(many=True)

    @app.before_request
    def authorize() -> None:
        claims = read_claims()
        member = db.session.scalar(
            select(Member).where(Member.issuer == claims["iss"], Member.subject == claims["sub"])
        )
        if member is None or not may(member.role, request.method):
            abort(403)
        g.member = member

    def record(action: str, patient_ids: list[UUID]) -> None:
        db.session.add(
            AuditRecord(
                member_id=g.member.id,
                action=action,
                patient_ids=patient_ids,
                address=request.remote_addr,
            )
        )
        db.session.commit()

    @app.get(f"{PATH}/<uuid:patient_id>")
    def show_patient(patient_id: UUID) -> Any:
        shown = one.dump(db.get_or_404(Patient, patient_id))
        record("read", [patient_id])
        return jsonify(shown)

    @app.get(PATH)
    def list_patients() -> Any:
        limit = min(request.args.get("limit", 50, int), 200)
        rows = db.session.scalars(select(Patient).order_by(Patient.id).limit(limit + 1)).all()
        page = {"next": str(rows[limit - 1].id), "has_more": True} if len(rows) > limit else None
        shown = many.dump(rows[:limit])
        record("list", [row.id for row in rows[:limit]])
        return jsonify({"data": shown, "page": page})

    @app.post(PATH)
    def create_patient() -> Any:
        patient_id = uuid7()
        patient = Patient(**_load(one), id=patient_id, source_id=str(patient_id))
        db.session.add(patient)
        db.session.flush()
        shown = one.dump(patient)
        record("create", [patient_id])
        return jsonify(shown), 201

    return app


def _start(name: str) -> tuple[Flask, SQLAlchemy, Any]:
    """Return an app, its database, and a function that returns the claims of a request."""
    settings = settings_of_app()
    app = Flask(name)
    url = make_url(settings.database_url).set(drivername="postgresql+psycopg2")
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    db = SQLAlchemy(app, model_class=Base, disable_autonaming=True)
    return app, db, _claims_reader(settings)


def _claims_reader(settings: AppSettings) -> Any:
    keys = KeySet.import_key_set(settings.keys)  # type: ignore[arg-type]
    rules = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": settings.issuer},
        aud={"essential": True, "value": settings.audience},
        exp={"essential": True},
    )

    def read_claims() -> dict[str, Any]:
        raw = request.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            token = jwt.decode(raw, keys, algorithms=["RS256"])
            rules.validate(token.claims)
        except (JoseError, ValueError):
            abort(401)
        return token.claims

    return read_claims


def _load(schema: Schema) -> Any:
    try:
        return schema.load(request.get_json())
    except ValidationError as error:
        response = jsonify(error.messages)
        response.status_code = 422
        abort(response)
