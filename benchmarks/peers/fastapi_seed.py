"""Create the tenants that the benchmark describes on standard input."""

import asyncio
import json
import sys
import uuid
from typing import Any

from fastapi_tenancy.core.types import IsolationStrategy
from sqlalchemy import insert, text

from benchmarks.peers.fastapi_app import config, manager
from benchmarks.peers.tables import Base, Member, Patient, with_types

CURRENT = "current_setting('app.current_tenant', TRUE)"

WITH_POLICIES = f"""
ALTER TABLE member ADD COLUMN tenant_id text NOT NULL DEFAULT {CURRENT};
ALTER TABLE member DROP CONSTRAINT member_pkey, ADD PRIMARY KEY (tenant_id, id);
ALTER TABLE member DROP CONSTRAINT member_issuer_subject_key;
ALTER TABLE member ADD UNIQUE (tenant_id, issuer, subject);
ALTER TABLE patient ADD COLUMN tenant_id text NOT NULL DEFAULT {CURRENT};
ALTER TABLE patient DROP CONSTRAINT patient_pkey, ADD PRIMARY KEY (tenant_id, id);
ALTER TABLE patient DROP CONSTRAINT patient_source_source_id_key;
ALTER TABLE patient ADD UNIQUE (tenant_id, source, source_id);
ALTER TABLE patient DROP CONSTRAINT patient_source_mrn_key;
ALTER TABLE patient ADD UNIQUE (tenant_id, source, mrn);
DROP INDEX ix_patient_site_id, ix_patient_birth_date, ix_patient_name;
CREATE INDEX ON patient (tenant_id, site_id);
CREATE INDEX ON patient (tenant_id, birth_date);
CREATE INDEX ON patient (tenant_id, lower(family_name), lower(given_name));
ALTER TABLE member ENABLE ROW LEVEL SECURITY;
ALTER TABLE member FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON member USING (tenant_id = {CURRENT});
ALTER TABLE patient ENABLE ROW LEVEL SECURITY;
ALTER TABLE patient FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON patient USING (tenant_id = {CURRENT})
"""
"""What fastapi-tenancy asks for, and keys and indexes that begin with the tenant."""


async def main() -> None:
    described = json.load(sys.stdin)
    patients = [with_types(values) for values in described["patients"]]
    await manager.initialize()
    shares_tables = config.isolation_strategy == IsolationStrategy.RLS
    if shares_tables:
        await _create_shared_tables()
    for tenant in described["tenants"]:
        registered = await manager.register_tenant(
            tenant["slug"], tenant["slug"], app_metadata=None if shares_tables else Base.metadata
        )
        async with manager.isolation_provider.get_session(registered) as session:
            await session.execute(insert(Member), [{**tenant["member"], "id": uuid.uuid4()}])
            await session.execute(insert(Patient), patients)
            await session.commit()
        if config.isolation_strategy == IsolationStrategy.DATABASE:
            await _analyze(registered)
    if config.isolation_strategy != IsolationStrategy.DATABASE:
        await _analyze(registered)
    await manager.close()


async def _create_shared_tables() -> None:
    async with manager.isolation_provider.engine.begin() as connection:  # type: ignore[attr-defined]
        await connection.run_sync(Base.metadata.create_all)
        for statement in WITH_POLICIES.split(";"):
            await connection.execute(text(statement))


async def _analyze(tenant: Any) -> None:
    """Write statistics of all tables of the tenant's database."""
    async with manager.isolation_provider.get_session(tenant) as session:
        await session.execute(text("ANALYZE"))
        await session.commit()


if __name__ == "__main__":
    asyncio.run(main())
