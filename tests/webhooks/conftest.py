"""An owner of a tenant of each tier, and a receiver."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from members import AsMember, MakeTenant, Member
from receivers import Receiver, receiving
from sqlalchemy import text

from trially.auth.roles import Role
from trially.database.session import db, transaction
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.context import tenant_context


@pytest.fixture(autouse=True)
def only_own_tenants(app: Flask) -> None:
    """Let workers of a test visit no tenants of tests before it."""
    with app.app_context(), control_engine().begin() as catalog:
        catalog.execute(text("UPDATE job_wakeup SET due_at = now() + interval '1 day'"))


@pytest.fixture
def owner(tier: Tier, make_tenant: MakeTenant, as_member: AsMember) -> Member:
    return as_member(make_tenant(tier), Role.OWNER)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def run_sql(app: Flask) -> Callable[..., None]:
    """Change the state of webhooks, as time would."""

    def run(member: Member, statement: str, **values: Any) -> None:
        with app.app_context(), tenant_context(str(member.tenant.id)), transaction():
            db.session.execute(text(statement), values)

    return run
