import os
import re
from dataclasses import fields, replace

import pytest
from sqlalchemy import make_url

from trially import create_app
from trially.config import (
    Settings,
    SettingsError,
    read_settings,
    with_driver,
    write_development_settings,
)
from trially.config.reading import variable_of
from trially.config.unknown_names import report_unknown

PRODUCTION = {
    "TRIALLY_SECRET_KEY": "a secret of the tests alone, 32 characters",
    "TRIALLY_DATABASE_URL": "postgresql://trially:secret@db.example/postgres",
    "TRIALLY_ISSUERS": "https://login.example",
}


@pytest.fixture
def read(monkeypatch, tmp_path):
    """Read settings from these variables and no others."""

    def read_from(**variables):
        for name in [name for name in os.environ if name.startswith("TRIALLY_")]:
            monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return read_settings(tmp_path)

    return read_from


def test_production_settings_are_read(read):
    settings = read(**PRODUCTION, TRIALLY_PUBLIC_URL="https://api.example/")

    assert not settings.development
    assert not settings.dev_issuer
    assert settings.issuers == ("https://login.example",)
    assert settings.cors_origins == ()
    assert settings.public_url == "https://api.example"
    assert settings.database_url.drivername == "postgresql+psycopg2"


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"TRIALLY_DATABASE_URL": None}, "TRIALLY_DATABASE_URL"),
        ({"TRIALLY_DATABASE_URL": "mysql://db/x"}, "TRIALLY_DATABASE_URL"),
        ({"TRIALLY_DATABASE_URL": "db.example"}, "TRIALLY_DATABASE_URL"),
        ({"TRIALLY_DATABASE_URL": "postgresql://db:port/x"}, "TRIALLY_DATABASE_URL"),
        ({"TRIALLY_DATABASE_URL": "postgresql://db,other:port/x"}, "TRIALLY_DATABASE_URL"),
        ({"TRIALLY_REPLICA_MAX_LAG_MS": "5001"}, "TRIALLY_REPLICA_MAX_LAG_MS"),
        ({"TRIALLY_REDIS_URL": "http://:secret@store"}, "TRIALLY_REDIS_URL"),
        ({"TRIALLY_REDIS_URL": "valkey://"}, "TRIALLY_REDIS_URL"),
        ({"TRIALLY_REDIS_URL": "valkey://:secret@store:99999"}, "TRIALLY_REDIS_URL"),
        ({"TRIALLY_MEMBER_REQUEST_SHARE": "0"}, "TRIALLY_MEMBER_REQUEST_SHARE"),
        ({"TRIALLY_DEV_ISSUER": "1"}, "TRIALLY_DEV_ISSUER"),
        ({"TRIALLY_ISSUERS": None}, "TRIALLY_ISSUERS"),
        ({"TRIALLY_ISSUERS": ""}, "TRIALLY_ISSUERS"),
        ({"TRIALLY_ISSUERS": "http://login.example"}, "TRIALLY_ISSUERS"),
        ({"TRIALLY_ISSUERS": "http://localhost:1"}, "TRIALLY_ISSUERS"),
        ({"TRIALLY_ISSUERS": "https://"}, "TRIALLY_ISSUERS"),
        ({"TRIALLY_ISSUERS": "https://[::1"}, "TRIALLY_ISSUERS"),
        ({"TRIALLY_AUDIENCES": ""}, "TRIALLY_AUDIENCES"),
        ({"TRIALLY_SECRET_KEY": None}, "TRIALLY_SECRET_KEY"),
        ({"TRIALLY_SECRET_KEY": "short"}, "TRIALLY_SECRET_KEY"),
        ({"TRIALLY_PREVIOUS_SECRET_KEY": "short"}, "TRIALLY_PREVIOUS_SECRET_KEY"),
        (
            {"TRIALLY_PREVIOUS_SECRET_KEY": PRODUCTION["TRIALLY_SECRET_KEY"]},
            "TRIALLY_PREVIOUS_SECRET_KEY is the same key",
        ),
        ({"TRIALLY_METRICS_TOKEN": "short"}, "TRIALLY_METRICS_TOKEN"),
        ({"TRIALLY_METRICS_TOKEN": "m" * 20}, "TRIALLY_METRICS_TOKEN"),
        ({"TRIALLY_METRICS_TOKEN": " " * 20}, "TRIALLY_METRICS_TOKEN"),
        ({"TRIALLY_METRICS_TOKEN": "0123456789abcdef"}, "TRIALLY_METRICS_TOKEN"),
        ({"TRIALLY_ALGORITHMS": "none"}, "TRIALLY_ALGORITHMS"),
        ({"TRIALLY_ALGORITHMS": "RS256,HS256"}, "TRIALLY_ALGORITHMS"),
        ({"TRIALLY_ALGORITHMS": "rs256"}, "TRIALLY_ALGORITHMS"),
        ({"TRIALLY_ALGORITHMS": ""}, "TRIALLY_ALGORITHMS"),
        ({"TRIALLY_ALGORITHMS": "RS256,"}, "TRIALLY_ALGORITHMS"),
        ({"TRIALLY_TOKEN_TYPES": "JWT"}, "TRIALLY_TOKEN_TYPES"),
        ({"TRIALLY_TOKEN_TYPES": "at+jwt,jwt"}, "TRIALLY_TOKEN_TYPES"),
        ({"TRIALLY_TOKEN_TYPES": ""}, "TRIALLY_TOKEN_TYPES"),
        ({"TRIALLY_AUDIENCES": ","}, "TRIALLY_AUDIENCES"),
        ({"TRIALLY_AUDIENCES": "a" * 256}, "TRIALLY_AUDIENCES"),
        ({"TRIALLY_TENANT_CLAIM": ""}, "TRIALLY_TENANT_CLAIM"),
        ({"TRIALLY_CONNECTIONS_PER_SERVER": "0"}, "TRIALLY_CONNECTIONS_PER_SERVER"),
        ({"TRIALLY_MAX_BODY_BYTES": "much"}, "TRIALLY_MAX_BODY_BYTES"),
        ({"TRIALLY_PLACEMENT_MAX_AGE_SECONDS": "6"}, "TRIALLY_PLACEMENT_MAX_AGE_SECONDS"),
        ({"TRIALLY_CATALOG_DATABASE": 'x"; --'}, "TRIALLY_CATALOG_DATABASE"),
        ({"TRIALLY_PINNED_TENANT": "Acme"}, "TRIALLY_PINNED_TENANT"),
        ({"TRIALLY_PINNED_TENANT": "acme,globex"}, "TRIALLY_PINNED_TENANT"),
    ],
)
def test_an_invalid_setting_stops_the_start_and_is_named(read, changed, named):
    variables = {name: value for name, value in (PRODUCTION | changed).items() if value is not None}

    with pytest.raises(SettingsError, match=named) as refusal:
        read(**variables)

    assert "short" not in str(refusal.value)
    assert "secret@" not in str(refusal.value)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (
            {"TRIALLY_REPLICA_MAX_LAG_MS": "5001"},
            "TRIALLY_REPLICA_MAX_LAG_MS is '5001'. Set it to a whole number from 1 to 5000.",
        ),
        (
            {"TRIALLY_DEVELOPMENT": "perhaps"},
            "TRIALLY_DEVELOPMENT is 'perhaps'. Set it to true or false.",
        ),
        (
            {"TRIALLY_PLAN_TIERS": "trial"},
            "TRIALLY_PLAN_TIERS is 'trial'. Set it to pairs such as name=value,name=value.",
        ),
        (
            {"TRIALLY_LOG_LEVEL": "loud"},
            "TRIALLY_LOG_LEVEL is 'loud'. Set it to one of DEBUG, INFO, WARNING, ERROR, CRITICAL.",
        ),
        (
            {"TRIALLY_CORS_ORIGINS": "https://a.example,/"},
            (
                "TRIALLY_CORS_ORIGINS is 'https://a.example,/'. Set it to origins separated by"
                " commas, as browsers send them, such as https://app.example.org."
            ),
        ),
        (
            {"TRIALLY_DATABASE_URL": "mysql://db", "TRIALLY_SLOW_QUERY_MS": "-1"},
            (
                "TRIALLY_DATABASE_URL must begin with postgresql://."
                " TRIALLY_SLOW_QUERY_MS is '-1'. Set it to a whole number of at least 0."
            ),
        ),
    ],
)
def test_an_error_names_the_value_and_what_to_do(read, changed, sentence):
    with pytest.raises(SettingsError) as refusal:
        read(**PRODUCTION | changed)

    assert str(refusal.value) == sentence


def test_every_kind_of_setting_is_read(read, tmp_path):
    settings = read(
        **PRODUCTION,
        TRIALLY_CHECKOUT_TIMEOUT_SECONDS="0.5",
        TRIALLY_CORS_ORIGINS="https://a.example, https://[::1]:8080",
        TRIALLY_ISSUER_PROFILES=str(tmp_path / "profiles.toml"),
        TRIALLY_PINNED_TENANT="",
        TRIALLY_PLAN_TIERS="trial=pooled_rows,free=own_schema",
        TRIALLY_POOLER_URL="",
        TRIALLY_SLOW_QUERY_MS="0",
    )

    assert settings.checkout_timeout_seconds == 0.5
    assert settings.cors_origins == ("https://a.example", "https://[::1]:8080")
    assert settings.issuer_profiles == tmp_path / "profiles.toml"
    assert settings.pinned_tenant is None
    assert settings.plan_tiers == {"trial": "pooled_rows", "free": "own_schema"}
    assert settings.pooler_url is None
    assert settings.slow_query_ms == 0
    assert "secret" not in repr(settings)


def test_development_allows_loopback_issuers_only(read):
    development = PRODUCTION | {"TRIALLY_DEVELOPMENT": "1"}

    settings = read(**development | {"TRIALLY_ISSUERS": "http://127.0.0.1:3000"})
    assert settings.issuers == ("http://127.0.0.1:3000",)
    assert settings.dev_issuer
    assert settings.cors_origins == ("http://localhost:3000", "http://127.0.0.1:3000")
    assert read(**development | {"TRIALLY_CORS_ORIGINS": ""}).cors_origins == ()

    for issuer in ("http://login.example", "ftp://localhost"):
        with pytest.raises(SettingsError, match="TRIALLY_ISSUERS"):
            read(**development | {"TRIALLY_ISSUERS": issuer})


@pytest.mark.parametrize(
    "scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"]
)
def test_every_name_of_postgresql_is_rewritten(scheme):
    url = with_driver(f"{scheme}://me:p%40ss@db:6543/x?sslmode=verify-full")

    assert url.drivername == "postgresql+psycopg2"
    assert (url.username, url.password, url.host, url.port) == ("me", "p@ss", "db", 6543)
    assert url.query == {"sslmode": "verify-full"}


@pytest.mark.parametrize(
    ("hosts", "host", "port"),
    [
        ("a:5432,b:5433", "a,b", "5432,5433"),
        ("a,b:5433", "a,b", ",5433"),
        ("[::1]:5432,b", "::1,b", "5432,"),
    ],
)
def test_several_hosts_may_be_named(hosts, host, port):
    url = with_driver(f"postgresql://me:p%40s,s@{hosts}/x?target_session_attrs=read-write")

    assert (url.username, url.password, url.database) == ("me", "p@s,s", "x")
    assert url.query == {"host": host, "port": port, "target_session_attrs": "read-write"}
    assert make_url(url.render_as_string(hide_password=False)) == url


def test_an_unknown_tier_stops_the_start(settings):
    with pytest.raises(SettingsError, match="TRIALLY_PLAN_TIERS names the unknown tier"):
        create_app(replace(settings, plan_tiers={"trial": "nowhere"}))


@pytest.fixture
def developers_file(tmp_path):
    (tmp_path / "settings.env").write_text(
        "TRIALLY_DEVELOPMENT=1\n"
        "TRIALLY_SECRET_KEY=a secret from the file, at least 32 long\n"
        "TRIALLY_CONNECTIONS_PER_TENANT=7\n"
    )


def test_the_environment_overrides_the_file_and_is_not_changed(read, developers_file):
    settings = read(TRIALLY_DEVELOPMENT="1", TRIALLY_CONNECTIONS_PER_TENANT="9")

    assert settings.development
    assert settings.secret_key.startswith("a secret from the file")
    assert settings.connections_per_tenant == 9
    assert "TRIALLY_SECRET_KEY" not in os.environ


@pytest.mark.parametrize("is_named", [False, True])
@pytest.mark.parametrize("development", ["", "0", "false"])
def test_production_takes_nothing_from_a_developers_file(
    read, tmp_path, developers_file, development, is_named
):
    chosen = {"TRIALLY_INSTANCE": str(tmp_path)} if is_named else {}

    settings = read(**PRODUCTION, **chosen, TRIALLY_DEVELOPMENT=development)

    assert not settings.development
    assert not settings.dev_issuer
    assert settings.secret_key == PRODUCTION["TRIALLY_SECRET_KEY"]
    assert settings.connections_per_tenant == 50
    for missing in ("TRIALLY_SECRET_KEY", "TRIALLY_DATABASE_URL", "TRIALLY_ISSUERS"):
        rest = {name: value for name, value in PRODUCTION.items() if name != missing}
        with pytest.raises(SettingsError, match=missing):
            read(**rest, **chosen)


@pytest.mark.parametrize(
    "line",
    [
        "TRIALLY_DEVELOPMENT=1",
        "export TRIALLY_DEVELOPMENT = 'true'",
        'TRIALLY_DEVELOPMENT="yes"',
        "  TRIALLY_DEVELOPMENT=on",
    ],
)
def test_a_file_never_turns_development_on(read, tmp_path, line):
    (tmp_path / "settings.env").write_text(f"TRIALLY_LOG_LEVEL=ERROR\n{line}\n")

    settings = read(**PRODUCTION, TRIALLY_INSTANCE=str(tmp_path))

    assert (settings.development, settings.log_level) == (False, "INFO")


def test_an_operators_file_is_read_where_it_is_named_alone(read, monkeypatch, tmp_path):
    (tmp_path / "settings.env").write_text("TRIALLY_DEVELOPMENT=0\nTRIALLY_LOG_LEVEL=ERROR\n")

    assert read(**PRODUCTION, TRIALLY_INSTANCE=str(tmp_path)).log_level == "ERROR"
    monkeypatch.delenv("TRIALLY_INSTANCE")
    monkeypatch.setattr("trially.config.reading.INSTANCE", tmp_path)
    assert read_settings().log_level == "INFO"


def test_the_environment_chooses_the_instance(read, tmp_path):
    other = tmp_path / "other"
    write_development_settings(other)

    settings = read(TRIALLY_INSTANCE=str(other), TRIALLY_DEVELOPMENT="1")

    assert settings.instance == other
    assert settings.development


def test_development_settings_are_written_once_for_the_owner_alone(monkeypatch, tmp_path):
    path = write_development_settings(tmp_path / "new")
    written = path.read_text()
    write_development_settings(tmp_path / "new")

    assert path.read_text() == written
    assert path.stat().st_mode & 0o077 == 0
    monkeypatch.setenv("TRIALLY_DEVELOPMENT", "1")
    assert read_settings(tmp_path / "new").development


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("TRIALLY_CORS_ORIGIN", "TRIALLY_CORS_ORIGINS"),
        ("TRIALLY_cors_origins", "TRIALLY_CORS_ORIGINS"),
        ("TRIALY_CORS_ORIGINS", "TRIALLY_CORS_ORIGINS"),
        ("trially_cors_origins", "TRIALLY_CORS_ORIGINS"),
        ("TRIALLY_ISSUER", "TRIALLY_ISSUERS"),
        ("TRIALLY_DEVELOPEMENT", "TRIALLY_DEVELOPMENT"),
        ("TRIALLY_METRIC_TOKEN", "TRIALLY_METRICS_TOKEN"),
    ],
)
def test_a_misspelt_setting_stops_production_and_warns_a_developer(
    name, meant, caplog, monkeypatch
):
    known = [variable_of(field.name) for field in fields(Settings)]
    sentence = f"{name} is not a setting. Did you mean {meant}?"

    with pytest.raises(SettingsError, match=re.escape(sentence)):
        report_unknown([name, *known, "PATH"], known, "TRIALLY_", development=False)
    report_unknown([name, *known, "PATH"], known, "TRIALLY_", development=True)
    assert caplog.messages == [sentence]


def test_unknown_variables_of_others_are_no_error(caplog):
    known = [variable_of(field.name) for field in fields(Settings)]

    report_unknown(
        ["TRIALLY_URL", "TRIALLY_TOKEN", "TRIVY_CACHE", "TRIP", *known],
        known,
        "TRIALLY_",
        development=False,
    )
    assert [message.partition(" ")[0] for message in caplog.messages] == [
        *("TRIALLY_TOKEN", "TRIALLY_URL")
    ]


def test_the_settings_file_is_checked_too(read, tmp_path):
    (tmp_path / "settings.env").write_text("TRIALLY_CORS_ORIGIN=https://app.example\n")

    with pytest.raises(SettingsError, match="Did you mean TRIALLY_CORS_ORIGINS"):
        read(**PRODUCTION, TRIALLY_INSTANCE=str(tmp_path))
