"""Requests for support access to a tenant."""

import datetime as dt

from flask import Flask

from trially.auth.roles import PhiLevel, Role
from trially.auth.support.grants import request_grant
from trially.state import state_of
from trially.tenancy.catalog import Tenant


def ask_for_support(app: Flask, tenant: Tenant, word: str) -> None:
    """Request support access, with a word that no other tenant has in the free text."""
    with app.app_context():
        request_grant(
            str(tenant.id),
            word,
            issuer=state_of(app).dev_issuer.url,
            reason=word,
            ticket=word,
            duration=dt.timedelta(hours=1),
            role=Role.VIEWER,
            phi_level=PhiLevel.NONE,
        )
