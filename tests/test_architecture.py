"""Rules that a machine can hold."""

import ast
import re
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from examples import PUBLIC_VIEWS
from flask import Flask
from platform_rules import is_of_no_tenant, is_platform

from tools import migration_numbers
from trially.auth.organisations.permissions import OrganisationPermission
from trially.auth.permissions import Permission
from trially.auth.platform.permissions import PlatformPermission
from trially.config import ROOT, Settings
from trially.config.reading import variable_of
from trially.config.settings import WEB_APP_ORIGINS
from trially.database.model import TenantModel
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.tiers import TIERS

KNOWS_TIERS = re.compile(r"trially/tenancy/(tiers/\w+|catalog_choices)\.py")
"""The files that may name a tier: the implementations, and the enum."""

SAME_WORD = {
    ("trially/commands/tenants.py", "silo"),
    ("trially/tenancy/lifecycle/tenant_commands.py", "silo"),
    ("trially/tenancy/lifecycle/silos.py", "silo"),
}
"""String literals that equal a tier's value and name something else: a command and a folder."""

KEY_PRIMITIVES = re.compile(
    r"cryptography\.hazmat\.primitives\.(kdf|ciphers)\b.*"
    r"|hmac\.(digest|new|HMAC)|hashlib\.(pbkdf2_hmac|scrypt)"
)
KEYS_OF_OTHERS = {"trially/tenancy/servers/scram.py"}
"""SCRAM derives keys from a role's password, as RFC 5802 says; it never sees the secret."""

EXAMINERS_OF_THE_SECRET = {"trially/config/safety.py", "trially/doctor/installation.py"}
"""They refuse a secret that is short or easily guessed, and derive nothing from it."""

DEFAULTS_IN_WORDS = {
    "instance": "instance/",
    "dev_issuer": "as `TRIALLY_DEVELOPMENT",
    "cors_origins": f"none; in development `{','.join(WEB_APP_ORIGINS)}",
}
PUBLIC_ENDPOINTS = re.compile(r"(health|openapi|swagger_ui|dev_issuer|guide)\.")


def test_every_route_is_guarded(app: Flask) -> None:
    for rule in app.url_map.iter_rules():
        permission = app.view_functions[rule.endpoint].__dict__["permission"]
        if rule.endpoint in PUBLIC_VIEWS:
            assert permission is None, rule
        elif rule.rule.startswith("/api/"):
            kind: type[StrEnum] = Permission
            if is_of_no_tenant(rule):
                kind = PlatformPermission if is_platform(rule) else OrganisationPermission
            assert isinstance(permission, kind), rule
        else:
            assert permission is None, rule
            assert PUBLIC_ENDPOINTS.match(rule.endpoint), rule


def test_every_setting_is_documented() -> None:
    lines = (ROOT / "docs" / "settings.md").read_text().splitlines()
    rows = [line.split("|") for line in lines if line.startswith("| `TRIALLY_")]
    documented = {row[1].strip(" `"): row[2].strip(" `") for row in rows}

    defaults = {variable_of(each.name): _written_default(each) for each in fields(Settings)}

    assert len(defaults) > 15
    assert documented == defaults


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


def test_no_fixture_of_a_package_outlives_its_folder() -> None:
    """Without `__init__.py`, pytest ends a fixture of package scope with the last test of all."""
    sources = [path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)]

    assert len(sources) > 100
    assert [str(path) for path in sources if 'scope="package"' in path.read_text()] == []


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


def test_only_keys_derives_keys() -> None:
    found = {}
    for path in sorted((ROOT / "trially").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith("trially/keys/") and name not in KEYS_OF_OTHERS:
            source = path.read_text()
            examines = name in EXAMINERS_OF_THE_SECRET
            uses = [] if examines else _uses_of_secret(source)
            found[name] = [*_key_primitives(source), *uses]

    assert len(found) > 100
    assert {name: uses for name, uses in found.items() if uses} == {}


@pytest.mark.parametrize(
    "source",
    [
        "from cryptography.hazmat.primitives.kdf.hkdf import HKDF",
        "from cryptography.hazmat.primitives.ciphers.aead import AESGCM",
        "from cryptography.hazmat.primitives.ciphers import aead",
        "import cryptography.hazmat.primitives.kdf.hkdf",
        "import hmac\nkey = hmac.digest(b'secret', b'purpose', 'sha256')",
        "import hmac as h\nkey = h.new(b'secret', b'purpose', 'sha256')",
        "from hmac import digest",
        "from hashlib import scrypt",
    ],
)
def test_a_key_primitive_is_noticed(source: str) -> None:
    assert list(_key_primitives(source))


@pytest.mark.parametrize(
    "source",
    [
        "key = settings.secret_key.encode()",
        "key = sha256(settings.secret_key)",
        "secret = current_settings().secret_key",
        "secret = current_settings().previous_secret_key",
        "text = f'{secret_key}'",
        "key = secret_key + 'purpose'",
        "from itsdangerous import Signer\nsigner = Signer(settings.secret_key)",
    ],
)
def test_a_use_of_the_secret_is_noticed(source: str) -> None:
    assert list(_uses_of_secret(source))


def test_passing_the_secret_on_is_allowed() -> None:
    source = """
from trially.keys import Purpose, derive_key
from trially.tenancy.servers import access

class Access:
    secret_key: str

def make(secret_key: str) -> Access:
    access.init_app(app, secret_key)
    derive_key(settings.secret_key, Purpose.PAGE_CURSORS)
    return Access(secret_key=current_settings().secret_key)
"""

    assert list(_uses_of_secret(source)) == []
    assert list(_key_primitives("import hmac\nhmac.compare_digest(a, b)")) == []


def _written_default(setting: Field[Any]) -> str:
    """Return a default as docs/settings.md writes it."""
    if setting.name in DEFAULTS_IN_WORDS:
        return DEFAULTS_IN_WORDS[setting.name]
    if setting.default is MISSING or setting.default in (None, "", ()):
        return "none"
    if isinstance(setting.default, bool):
        return str(setting.default).lower()
    if isinstance(setting.default, tuple):
        return ",".join(setting.default)
    return f"{setting.default:g}" if isinstance(setting.default, float) else str(setting.default)


def _key_primitives(source: str) -> Iterator[str]:
    """Find imports and calls of what derives keys, encrypts, or computes an HMAC."""
    tree = ast.parse(source)
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {each.asname or each.name: each.name for each in node.names}
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{each.name}" for each in node.names]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names = [f"{modules.get(node.value.id, node.value.id)}.{node.attr}"]
        yield from (
            f"line {node.lineno}: {name}" for name in names if KEY_PRIMITIVES.fullmatch(name)
        )


def _uses_of_secret(source: str) -> Iterator[str]:
    """Find where `secret_key` is read and is not an argument of a call into trially."""
    tree = ast.parse(source)
    definitions = ast.FunctionDef | ast.ClassDef
    ours = {node.name for node in ast.walk(tree) if isinstance(node, definitions)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("trially"):
            ours |= {each.asname or each.name for each in node.names}
    passed = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).partition(".")[0] in ours:
            passed |= {*node.args, *(keyword.value for keyword in node.keywords)}
    for node in ast.walk(tree):
        name = ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""
        is_secret = name.rpartition(".")[2] in {"secret_key", "previous_secret_key"}
        is_read = is_secret and isinstance(node.ctx, ast.Load)
        if is_read and node not in passed:
            yield f"line {node.lineno}: {ast.unparse(node)}"
