"""The file of issuer profiles: its fields, and how an invalid file is refused."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from trially import create_app
from trially.auth.issuers import trusted_issuers
from trially.auth.profiles import read_profiles
from trially.auth.resolvers import (
    AudienceResolver,
    ClaimResolver,
    ConnectionResolver,
    MembershipResolver,
)
from trially.config import ROOT, Settings, SettingsError

LEAST = '[[profiles]]\nissuer = "https://login.example"\naudiences = ["https://api.example"]\n'
MACHINES = (
    '[[profiles]]\nissuer_prefix = "https://login.example/v1/clients/"\naudiences = ["machines"]\n'
)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(text: str, name: str = "issuers.toml") -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


@pytest.fixture
def production(settings: Settings) -> Settings:
    return replace(settings, development=False, dev_issuer=False)


def test_the_least_profile_is_that_of_the_short_form(
    write: Callable[..., Path], production: Settings
) -> None:
    (profile,) = read_profiles(write(LEAST), production)
    short = replace(
        production, issuers=("https://login.example",), audiences=("https://api.example",)
    )
    expected = trusted_issuers(short, None)["https://login.example"]

    assert replace(profile, keys=expected.keys) == expected


def test_a_profile_may_set_every_field(write: Callable[..., Path], production: Settings) -> None:
    text = LEAST + (
        'algorithms = ["ES256"]\n'
        'types = ["at+jwt"]\n'
        "leeway_seconds = 5\n"
        "max_lifetime_seconds = 900\n"
        'jwks_url = "https://keys.example/jwks"\n'
        'tenants = ["acme"]\n'
        'tenant = { by = "audience", prefix = "t:" }\n'
    )

    (profile,) = read_profiles(write(text), production)

    assert profile.algorithms == {"ES256"}
    assert profile.types == {"at+jwt"}
    assert (profile.leeway_seconds, profile.max_lifetime_seconds) == (5, 900)
    assert profile.tenants == {"acme"}
    assert profile.resolver == AudienceResolver("t:")


@pytest.mark.parametrize(
    ("tenant", "resolver"),
    [
        ('{ by = "claim" }', ClaimResolver(("https://trially.ai/tenant",))),
        ('{ by = "claim", claim = "org" }', ClaimResolver(("org",))),
        ('{ by = "claim", path = ["a", "b"] }', ClaimResolver(("a", "b"))),
        ('{ by = "audience" }', AudienceResolver("")),
        ('{ by = "connection" }', ConnectionResolver),
        ('{ by = "membership" }', MembershipResolver),
    ],
)
def test_every_way_of_naming_tenants_is_read(
    write: Callable[..., Path], production: Settings, tenant: str, resolver: object
) -> None:
    (profile,) = read_profiles(write(f"{LEAST}tenant = {tenant}"), production)

    assert profile.resolver == resolver or type(profile.resolver) is resolver


def test_a_profile_may_be_json(write: Callable[..., Path], production: Settings) -> None:
    text = '{"profiles": [{"issuer": "https://login.example", "audiences": ["a"]}]}'

    assert read_profiles(write(text, "issuers.json"), production)[0].audiences == ("a",)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "/profiles"),
        ("profiles = []", "/profiles"),
        ("[[profiles", "cannot be parsed"),
        ("[[profiles]]\naudiences = ['a']", "/profiles/0"),
        ('[[profiles]]\nissuer = "https://login.example"', "/profiles/0/audiences"),
        (LEAST + 'algorithms = ["HS256"]', "/profiles/0/algorithms/0"),
        (LEAST + 'algorithms = ["none"]', "/profiles/0/algorithms/0"),
        (LEAST + "algorithms = []", "/profiles/0/algorithms"),
        (LEAST + 'types = ["JWT"]', "/profiles/0/types"),
        (LEAST + 'types = ["logout+jwt"]', "/profiles/0/types/0"),
        (LEAST + "leeway_seconds = 3000", "/profiles/0/leeway_seconds"),
        (LEAST + "max_lifetime_seconds = 99999999", "/profiles/0/max_lifetime_seconds"),
        (LEAST + 'jwks_url = "http://login.example/jwks"', "/profiles/0/jwks_url"),
        (LEAST + 'tenant = { by = "host" }', "/profiles/0/tenant/by"),
        (LEAST + 'tenant = { by = "audience", claim = "x" }', "/profiles/0/tenant/claim"),
        (LEAST + 'tenant = { by = "claim", claim = "x", path = ["y"] }', "/profiles/0/tenant/path"),
        (LEAST + "tenants = []", "/profiles/0/tenants"),
        (LEAST + 'clients = ["a"]', "/profiles/0/clients"),
        (LEAST + 'leway_seconds = "1"', "/profiles/0/leway_seconds"),
        (LEAST + 'issuer_prefix = "https://login.example/"', "/profiles/0"),
        (LEAST.replace("https://login", "http://login"), "/profiles/0/issuer"),
        (MACHINES.replace("clients/", "clients"), "/profiles/0/issuer_prefix"),
        (MACHINES + 'jwks_url = "https://login.example/jwks"', "/profiles/0/jwks_url"),
        (LEAST + LEAST, "has a second profile"),
    ],
)
def test_an_invalid_file_stops_the_start_and_names_the_place(
    write: Callable[..., Path], production: Settings, text: str, where: str
) -> None:
    path = write(text)

    with pytest.raises(SettingsError, match=re.escape(where)) as refusal:
        trusted_issuers(replace(production, issuer_profiles=path), None)

    assert str(refusal.value).startswith(f"TRIALLY_ISSUER_PROFILES: {path}")


def test_a_missing_file_stops_the_start(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        create_app(replace(settings, issuer_profiles=tmp_path / "none.toml"))


def test_the_profiles_of_the_guide_can_be_used(
    write: Callable[..., Path], production: Settings
) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "issuers.md").read_text(), re.DOTALL)

    profiles = [profile for text in blocks for profile in read_profiles(write(text), production)]

    assert len(blocks) == 3
    assert [profile.client_keys is not None for profile in profiles] == [False, True, False, False]
