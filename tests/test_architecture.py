"""Rules that a machine can hold."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from tools import migration_numbers
from trially.auth.permissions import Permission
from trially.config import ROOT
from trially.database.model import TenantModel
from trially.tenancy.catalog import Tier
from trially.tenancy.tiers import TIERS

SETTING = re.compile(r'env\.\w+\(\s*"([A-Z_]+)"|environ\.get\("TRIALLY_([A-Z_]+)"')
KNOWS_TIERS = re.compile(r"trially/tenancy/(tiers/\w+|catalog)\.py")
"""The files that may name a tier: the implementations, and the enum."""

SAME_WORD = {
    ("trially/tenancy/lifecycle/commands.py", "silo"),
    ("trially/tenancy/lifecycle/silos.py", "silo"),
}
"""String literals that equal a tier's value and name something else: a command and a folder."""

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


@pytest.mark.parametrize("lineage", migration_numbers.LINEAGES)
def test_migrations_are_numbered_without_gaps(lineage: str) -> None:
    assert list((ROOT / lineage).glob("0001_*.py"))
    assert list(migration_numbers.find_problems(ROOT / lineage)) == []


def _write_migration(folder: Path, name: str, previous: str | None) -> None:
    follows = f'"{previous}"' if previous else "None"
    content = f'revision = "{name[:4]}"\ndown_revision = {follows}\n'
    (folder / f"{name}.py").write_text(content)


def test_two_migrations_of_one_number_are_reported(tmp_path: Path) -> None:
    _write_migration(tmp_path, "0001_begin", None)
    _write_migration(tmp_path, "0002_add_ours", "0001")
    _write_migration(tmp_path, "0002_add_theirs", "0001")
    _write_migration(tmp_path, "0003_go_on", "0002")

    assert list(migration_numbers.find_problems(tmp_path)) == [
        (
            "0002_add_ours.py and 0002_add_theirs.py have the same number. Keep the one that is on"
            " the main branch. Renumber the other one: rename its file to 0004_…, and set"
            ' `revision = "0004"` and `down_revision = "0003"` in it.'
        )
    ]


def test_migrations_that_are_no_sequence_are_reported(tmp_path: Path) -> None:
    _write_migration(tmp_path, "0001_begin", None)
    _write_migration(tmp_path, "0002_add_ours", "0001")
    _write_migration(tmp_path, "0003_add_theirs", "0001")
    _write_migration(tmp_path, "0005_go_on", "0004")
    (tmp_path / "3f2a_add_nothing.py").touch()

    assert list(migration_numbers.find_problems(tmp_path)) == [
        "3f2a_add_nothing.py is not named like 0005_add_opened_at_to_study.py.",
        '0003_add_theirs.py does not contain the line `down_revision = "0002"`. Correct it.',
        "0005_go_on.py has no predecessor 0004. Renumber it.",
    ]


def test_make_check_reads_the_numbers_of_migrations() -> None:
    assert "-m tools.migration_numbers" in (ROOT / "Makefile").read_text()


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


def test_only_the_tiers_know_tiers_by_name() -> None:
    mentions = [
        f"{path}:{line} names the tier {name}."
        for path in sorted((ROOT / "trially").rglob("*.py"))
        for line, name in _tiers_named_in(path)
    ]

    assert mentions == [], (
        "Ask the implementation of the tier instead: add an attribute or a method to"
        " PlacementTier in trially/tenancy/tiers/__init__.py, and call tier_of(record)."
    )


def test_every_tier_has_its_implementation() -> None:
    assert set(TIERS) == set(Tier)
    assert all(tier is implementation.tier for tier, implementation in TIERS.items())


def _tiers_named_in(path: Path) -> Iterator[tuple[int, str]]:
    name = str(path.relative_to(ROOT))
    if KNOWS_TIERS.fullmatch(name):
        return
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Attribute(value=ast.Name(id="Tier"), attr=member):
                yield node.lineno, member
            case ast.Constant(value=str(value)) if value in set(Tier):
                if (name, value) not in SAME_WORD:
                    yield node.lineno, value
