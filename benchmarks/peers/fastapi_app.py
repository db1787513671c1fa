"""A FastAPI app with fastapi-tenancy, set up as its README recommends.

`TENANCY_ISOLATION_STRATEGY` chooses how tenants are isolated. The cache of tenants is on, which is
not the package's default: without it, each request reads its tenant from the database.
"""

import datetime as dt
import uuid
from typing import Annotated, Any
from urllib.parse import urlsplit

import jwt
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi_tenancy import TenancyConfig, TenancyManager
from fastapi_tenancy.dependencies import make_tenant_db_dependency
from fastapi_tenancy.middleware.tenancy import TenancyMiddleware
from fastapi_tenancy.storage.database import SQLAlchemyTenantStore
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from benchmarks.peers.issuer import may, settings_of_app
from benchmarks.peers.tables import Member, Patient

PATH = "/api/v1/patients"

_settings = settings_of_app()
_key = jwt.PyJWKSet.from_dict(_settings.keys).keys[0]

_url = urlsplit(_settings.database_url)._replace(scheme="postgresql+asyncpg")
config = TenancyConfig(
    database_url=_url.geturl(),
    database_url_template=_url._replace(path="/{database_name}").geturl(),
    l1_cache_enabled=True,
)
store = SQLAlchemyTenantStore(config.database_url)
manager = TenancyManager(config, store)
app = FastAPI(lifespan=manager.create_lifespan(), openapi_url=None)
app.add_middleware(TenancyMiddleware, manager=manager)

Session = Annotated[AsyncSession, Depends(make_tenant_db_dependency(manager))]


class PatientBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    mrn: str = Field(min_length=1, max_length=128)
    given_name: str = Field(min_length=1, max_length=200)
    family_name: str = Field(min_length=1, max_length=200)
    birth_date: dt.date
    sex: str
    phone: str | None = Field(None, max_length=64)
    address: dict[str, Any] | None = None


class PatientAnswer(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    mrn: str
    given_name: str | None
    family_name: str | None
    birth_date: dt.date | None
    birth_date_precision: str | None
    sex: str | None
    gender_identity: str | None
    race: str | None
    ethnicity: str | None
    language: str | None
    phone: str | None
    email: str | None
    address: dict[str, Any] | None
    deceased: bool
    deceased_at: dt.datetime | None
    deceased_on: dt.date | None
    deceased_precision: str | None
    date_problem: str | None
    impossible_dates: dict[str, Any] | None
    contact_preference: str
    site_id: uuid.UUID | None
    source: str
    source_id: str
    mrn_system: str | None
    active: bool
    record_status: str
    replaced_by_id: uuid.UUID | None
    withdrawn_reason: str | None
    corrections: dict[str, Any]
    custom: dict[str, Any]
    last_encounter_on: dt.date | None
    clinical_version: int
    created_at: dt.datetime
    updated_at: dt.datetime


class Page(BaseModel):
    next: str
    has_more: bool


class PatientPage(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    data: list[PatientAnswer]
    page: Page | None


async def authorize(request: Request, session: Session) -> None:
    """Refuse requests without a token of a member who has the permission."""
    raw = request.headers.get("authorization", "").removeprefix("Bearer ")
    try:
        claims = jwt.decode(
            raw, _key, ["RS256"], audience=_settings.audience, issuer=_settings.issuer
        )
    except jwt.InvalidTokenError:
        raise HTTPException(401) from None
    member = await session.scalar(
        select(Member).where(Member.issuer == claims["iss"], Member.subject == claims["sub"])
    )
    if member is None or not may(member.role, request.method):
        raise HTTPException(403)


@app.get(PATH + "/{patient_id}", dependencies=[Depends(authorize)])
async def show_patient(patient_id: uuid.UUID, session: Session) -> PatientAnswer:
    found = await session.get(Patient, patient_id)
    if found is None:
        raise HTTPException(404)
    return PatientAnswer.model_validate(found)


@app.get(PATH, dependencies=[Depends(authorize)])
async def list_patients(session: Session, limit: int = 50) -> PatientPage:
    limit = min(limit, 200)
    rows = (await session.scalars(select(Patient).order_by(Patient.id).limit(limit + 1))).all()
    page = Page(next=str(rows[limit - 1].id), has_more=True) if len(rows) > limit else None
    return PatientPage(data=[PatientAnswer.model_validate(row) for row in rows[:limit]], page=page)


@app.post(PATH, status_code=201, dependencies=[Depends(authorize)])
async def create_patient(body: PatientBody, session: Session) -> PatientAnswer:
    patient_id = uuid.uuid4()
    created = Patient(**body.model_dump(), id=patient_id, source_id=str(patient_id))
    session.add(created)
    await session.flush()
    answer = PatientAnswer.model_validate(created)
    await session.commit()
    return answer
