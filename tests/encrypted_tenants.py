"""Tenants whose fields are encrypted."""

from collections.abc import Callable

from flask import Flask

from trially.tenancy.catalog import Tenant
from trially.tenancy.encrypting.operation import change_fields, plan_change

Encrypt = Callable[[Tenant], Tenant]


def encrypt(app: Flask, tenant: Tenant, *, is_on: bool = True) -> Tenant:
    """Encrypt the fields of a tenant, or decrypt them."""
    with app.app_context():
        return change_fields(plan_change(str(tenant.id), is_on=is_on))
