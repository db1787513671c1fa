import pytest


@pytest.fixture(scope="module")
def tenant(make_tenant):
    """A tenant that the tests of one module share."""
    return make_tenant()


@pytest.fixture(scope="module")
def other_tenant(make_tenant):
    return make_tenant()
