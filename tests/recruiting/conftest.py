"""The tests of recruiting borrow their tenants: each is emptied after a test, and used again."""

import pytest
from borrowed_tenants import BorrowTenant

from trially.tenancy.catalog import Tenant


@pytest.fixture
def tenant(borrow_tenant: BorrowTenant) -> Tenant:
    """A tenant without data."""
    return borrow_tenant()
