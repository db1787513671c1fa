from uuid import uuid4

import pytest
from sqlalchemy import bindparam, exists, select
from sqlalchemy.exc import IntegrityError

from trially.database.rows import (
    columns_named,
    delete_item,
    fetch_items,
    find_item,
    insert_item,
    insert_item_unless,
    keyset_after,
    of_current_tenant,
    table_of,
    update_item,
)
from trially.database.session import commit, db
from trially.recruiting.sites.model import Site
from trially.request_state import request_state
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context

NAMES = ("id", "name", "city")


@pytest.fixture
def site_of(app):
    """Add a site to a tenant."""

    def make(tenant, **values):
        with app.app_context(), tenant_context(tenant.slug):
            site = insert_item(Site, {"name": "Riverside", **values}, NAMES)
            db.session.commit()
        return site

    return make


_site = table_of(Site).c
HAS_NAMESAKE = exists(
    select(_site.id).where(
        _site.tenant_id == bindparam("tenant_id"), _site.name == bindparam("name")
    )
)


def test_a_row_is_inserted_unless_a_condition_holds(app, make_tenant):
    ours, theirs = (make_tenant(tier=Tier.POOLED_ROWS) for _ in range(2))
    values = {"name": "Namesake", "city": None}
    for tenant in (ours, theirs):
        with app.app_context(), tenant_context(tenant.slug):
            site = insert_item_unless(HAS_NAMESAKE, Site, values, NAMES)
            assert site is not None
            assert find_item(Site, site["id"], NAMES) == site
            commit()
            # No row was written, so the transaction has nothing that is not noted.
            assert insert_item_unless(HAS_NAMESAKE, Site, values, NAMES) is None
            assert request_state().audit.are_untouched
            commit()
            assert insert_item_unless(HAS_NAMESAKE, Site, {"name": "Other"}, NAMES) is not None


def test_a_row_is_written_read_changed_and_deleted(app, tenant, site_of):
    site = site_of(tenant, city="Omaha")

    with app.app_context(), tenant_context(tenant.slug):
        assert find_item(Site, site["id"], NAMES) == site
        changed = update_item(Site, site["id"], {"city": "Lincoln"}, NAMES)
        assert changed == site | {"city": "Lincoln"}
        assert delete_item(Site, site["id"])
        assert not delete_item(Site, site["id"])
        assert find_item(Site, site["id"], NAMES) is None


def test_a_change_is_dated_by_the_columns_onupdate(app, tenant, site_of):
    site = site_of(tenant)

    with app.app_context(), tenant_context(tenant.slug):
        changed = update_item(Site, site["id"], {"city": "X"}, ["created_at", "updated_at"])

    assert changed["updated_at"] > changed["created_at"]


def test_a_change_of_no_column_changes_nothing(app, tenant, site_of):
    site = site_of(tenant)

    with app.app_context(), tenant_context(tenant.slug):
        changed = update_item(Site, site["id"], {}, ["version", "created_at", "updated_at"])

    assert (changed["version"], changed["updated_at"]) == (1, changed["created_at"])


def test_a_row_of_another_tenant_is_not_found(app, make_tenant, site_of):
    ours, theirs = make_tenant(), make_tenant()
    site = site_of(theirs)

    with app.app_context(), tenant_context(ours.slug):
        assert find_item(Site, site["id"], NAMES) is None
        assert update_item(Site, site["id"], {"city": "X"}, NAMES) is None
        assert not delete_item(Site, site["id"])


def test_a_tenant_id_in_the_values_changes_nothing(app, tenant, make_tenant, site_of):
    other = make_tenant()

    site = site_of(tenant, tenant_id=other.id)

    with app.app_context(), tenant_context(tenant.slug):
        assert find_item(Site, site["id"], ["tenant_id"]) == {"tenant_id": tenant.id}
        with pytest.raises(IntegrityError, match="ck_this_tenant"):
            update_item(Site, site["id"], {"tenant_id": other.id}, NAMES)


def test_a_missing_row_cannot_be_changed(app, tenant):
    with app.app_context(), tenant_context(tenant.slug):
        assert update_item(Site, uuid4(), {"city": "X"}, NAMES) is None


@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_pages_follow_each_other_without_gap_or_repeat(app, tenant, site_of, direction):
    for name in ("a", "b", "c", "d"):
        site_of(tenant, name=name, city="X" if name in "ab" else "Y")
    table = table_of(Site)
    keys = [(table.c.city, "asc"), (table.c.name, direction)]
    order = [table.c.city, getattr(table.c.name, direction)()]

    with app.app_context(), tenant_context(tenant.slug):
        statement = select(*columns_named(Site, ["city", "name"])).where(of_current_tenant(Site))
        all_rows = fetch_items(statement.order_by(*order))
        paged, position = [], None
        while rows := fetch_items(
            (statement.where(keyset_after(keys, position)) if position else statement)
            .order_by(*order)
            .limit(1)
        ):
            paged += rows
            position = tuple(rows[0].values())

    assert paged == all_rows
    assert len(paged) == 4
