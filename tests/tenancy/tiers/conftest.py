from uuid import uuid4

import pytest

from trially.tenancy.lifecycle.provisioning import create_tenant


@pytest.fixture(scope="module")
def place(app, make_place):
    return make_place()


@pytest.fixture(scope="module")
def other_place(app, make_place):
    return make_place()


@pytest.fixture(scope="module")
def make_place(app):
    """Make a tenant that a whole module of attacks may share."""

    def make():
        with app.app_context():
            return create_tenant(f"attacked-{uuid4().hex[:8]}", "Attacked")

    return make
