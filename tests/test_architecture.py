"""Rules that a machine can hold."""

import ast
import re
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from trially.auth.permissions import Permission
from trially.config import ROOT, Settings
from trially.config.reading import variable_of
from trially.database.model import TenantModel

KEY_PRIMITIVES = re.compile(
    r"cryptography\.hazmat\.primitives\.(kdf|ciphers)\b.*"
    r"|hmac\.(digest|new|HMAC)|hashlib\.(pbkdf2_hmac|scrypt)"
)
KEYS_OF_OTHERS = {"trially/tenancy/servers/scram.py"}
"""SCRAM derives keys from a role's password, as RFC 5802 says; it never sees the secret."""

EXAMINERS_OF_THE_SECRET = {"trially/config/safety.py", "trially/doctor/installation.py"}
"""They refuse a secret that is short or easily guessed, and derive nothing from it."""

DEFAULTS_IN_WORDS = {"instance": "instance/", "dev_issuer": "as `TRIALLY_DEVELOPMENT"}
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
    lines = (ROOT / "docs" / "settings.md").read_text().splitlines()
    rows = [line.split("|") for line in lines if line.startswith("| `TRIALLY_")]
    documented = {row[1].strip(" `"): row[2].strip(" `") for row in rows}

    defaults = {variable_of(each.name): _written_default(each) for each in fields(Settings)}

    assert len(defaults) > 15
    assert documented == defaults


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
        is_read = name.rpartition(".")[2] == "secret_key" and isinstance(node.ctx, ast.Load)
        if is_read and node not in passed:
            yield f"line {node.lineno}: {ast.unparse(node)}"
