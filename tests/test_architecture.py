"""Rules that a machine can hold."""

import re
from pathlib import Path

import pytest
from flask import Flask

from trially.auth.permissions import Permission
from trially.config import ROOT
from trially.database.model import TenantModel

SETTING = re.compile(r'env\.\w+\(\s*"([A-Z_]+)"|environ\.get\("TRIALLY_([A-Z_]+)"')
PUBLIC_ENDPOINTS = re.compile(r"(health|openapi|swagger_ui|dev_issuer)\.")


def test_every_route_is_guarded(app: Flask) -> None:
    for rule in app.url_map.iter_rules():
        permission = app.view_functions[rule.endpoint].__dict__["permission"]
        if rule.rule.startswith("/api/"):
            assert isinstance(permission, Permission), rule
        else:
            assert permission is None, rule
            assert PUBLIC_ENDPOINTS.match(rule.endpoint), rule


def test_every_setting_is_documented() -> None:
    names = SETTING.findall((ROOT / "trially" / "config.py").read_text())
    read = {f"TRIALLY_{prefixed or whole}" for prefixed, whole in names}
    path = ROOT / "docs" / "settings.md"
    if not path.exists():
        pytest.skip("docs/settings.md is not written.")

    rows = [line.split("|")[1] for line in path.read_text().splitlines() if line.startswith("|")]
    documented = set(re.findall(r"TRIALLY_[A-Z_]+", " ".join(rows)))

    assert len(read) > 15
    assert documented == read


@pytest.mark.parametrize("lineage", ["catalog", "tenant"])
def test_migrations_are_numbered_without_gaps(lineage: str) -> None:
    names = sorted(path.stem for path in (ROOT / "migrations" / lineage / "versions").glob("*.py"))

    assert names
    for number, name in enumerate(names, start=1):
        assert re.fullmatch(rf"{number:04d}_[a-z0-9_]+", name)
        text = Path(ROOT / "migrations" / lineage / "versions" / f"{name}.py").read_text()
        assert f'revision = "{number:04d}"' in text
        follows = f'"{number - 1:04d}"' if number > 1 else "None"
        assert f"down_revision = {follows}" in text


def test_every_table_of_a_tenant_is_keyed_by_its_tenant_first() -> None:
    for table in TenantModel.metadata.tables.values():
        assert [column.name for column in table.primary_key] == ["tenant_id", "id"]
        for index in table.indexes:
            assert next(iter(index.expressions)) is table.c.tenant_id, index.name
        for key in table.foreign_key_constraints:
            assert key.column_keys[0] == "tenant_id", key.name


def test_routes_reach_rows_through_their_resource() -> None:
    """A resource applies its scope to each row; a statement of a route's own would not."""
    by_hand = re.compile(r"\b(?:fetch_items|(?:find|insert|update|delete)_item|db\.session)\b")
    routes = sorted((ROOT / "trially").rglob("routes.py"))

    assert len(routes) > 5
    for path in routes:
        found = by_hand.search(path.read_text())
        assert found is None, (
            f"{path.relative_to(ROOT)} uses {found and found[0]}. Use its Resource instead, which"
            " restricts rows to the caller's sites."
        )
