"""Settings, read once from the environment. A missing or unusable one stops the start.

`instance/settings.env` holds a developer's own settings (`make setup` writes it); the
environment wins over it.
"""

import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from environs import Env, EnvError, validate
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from trially.errors import OperatorError
from trially.slugs import SLUG_PATTERN
from trially.state import app_state

ROOT = Path(__file__).resolve().parent.parent
INSTANCE = ROOT / "instance"
DRIVER = "postgresql+psycopg2"
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


class SettingsError(OperatorError):
    """A setting is missing or unusable; the sentence names it and says what to do."""


@dataclass(frozen=True)
class Settings:
    """Everything that differs between installations. `docs/settings.md` describes each."""

    development: bool
    """A developer's own machine, which may have embedded PostgreSQL and the built-in issuer."""

    secret_key: str
    """At least 32 characters; the passwords of database roles and signatures derive from it."""

    instance: Path
    """Directory of local state: settings, the embedded server's data, the built-in issuer's key."""

    database_url: URL | None
    """An administrator's URL of the first server; None starts the embedded one."""

    pooler_url: URL | None
    """Where tenants' transactions go, if not to the first server itself; its user is not used."""

    embedded_settings: dict[str, str]
    """Extra `postgresql.conf` settings of the embedded server."""

    catalog_database: str
    """Name of the control-plane database on the first server."""

    pinned_tenant: str | None
    """Slug of the one tenant that this instance serves; None serves all of the catalog's."""

    public_url: str
    """Where clients reach this back end, without a trailing slash."""

    issuers: tuple[str, ...]
    """Trusted OIDC issuers, exactly as in `iss`."""

    issuer_profiles: Path | None
    """A TOML or JSON file that describes further issuers, each with its own ways."""

    audiences: tuple[str, ...]
    """Values of `aud` that mean this back end."""

    algorithms: tuple[str, ...]
    """Accepted signature algorithms."""

    token_types: tuple[str, ...]
    """Accepted values of the header `typ`."""

    tenant_claim: str
    """Name of the claim that says which tenant a token is for."""

    dev_issuer: bool
    """Serve the built-in issuer at /dev-issuer and trust its tokens."""

    connections_per_tenant: int
    """CONNECTION LIMIT of a tenant's login role."""

    connections_per_shared_database: int
    """CONNECTION LIMIT of the login role of a database that tenants share."""

    schemas_per_database: int
    """Tenants with schemas of their own that one database takes, before the next is made."""

    tenants_per_pool: int
    """Tenants whose rows one database of shared tables takes, before the next is made."""

    plan_tiers: dict[str, str]
    """The tier of a plan's tenants, unless it is said when one is created."""

    replica_max_lag_ms: int
    """How old what a replica answers may be, in milliseconds."""

    connections_per_server: int
    """Connections this process has open to one server at most, all tenants together."""

    checkout_timeout_seconds: float
    """Longest a request waits for one of them."""

    statement_timeout_ms: int
    """Longest a tenant's statement may run, in milliseconds."""

    placement_max_age_seconds: float
    """How long a worker may believe what it knows of placements and memberships."""

    max_body_bytes: int
    """Largest JSON body."""

    max_json_depth: int
    """How deep a JSON body may be nested."""

    max_json_items: int
    """Most items of one list, or members of one object, in a JSON body."""

    max_import_bytes: int
    """Largest import as received."""

    max_import_expanded_bytes: int
    """Largest import after decompression."""

    cursor_lifetime_seconds: int
    """How long a page cursor stays usable."""

    idempotency_lifetime_seconds: int
    """How long an answer is kept for the same request sent again with its Idempotency-Key."""

    request_timeout_ms: int
    """Longest a request may be at work in its tenant's database, in milliseconds."""

    cors_origins: tuple[str, ...]
    """Origins whose pages may call this back end from a browser, exactly as browsers send them."""

    log_level: str
    """The least level that servers log."""

    slow_query_ms: int
    """How long a tenant's statement takes before it is logged, in milliseconds."""

    metrics_token: str = field(repr=False)
    """What a scraper shows to read /metrics; empty, there is no such page."""


def read_settings(instance: Path = INSTANCE) -> Settings:
    """Read the settings from the environment and the instance's `settings.env`.

    `TRIALLY_INSTANCE` in the environment says which instance, before all else.
    """
    instance = Path(os.environ.get("TRIALLY_INSTANCE") or instance)
    env = Env(prefix="TRIALLY_", eager=False)
    env.read_env(str(instance / "settings.env"), recurse=False)
    development = env.bool("DEVELOPMENT", default=False)
    public_url = env.str("PUBLIC_URL", default="http://127.0.0.1:5000").rstrip("/")
    settings = Settings(
        development=development,
        secret_key=env.str("SECRET_KEY", default=""),
        instance=instance,
        database_url=_read_database_url(
            env.str("DATABASE_URL", default=""), "TRIALLY_DATABASE_URL"
        ),
        pooler_url=_read_database_url(env.str("POOLER_URL", default=""), "TRIALLY_POOLER_URL"),
        embedded_settings=env.dict("EMBEDDED_SETTINGS", default={}),
        catalog_database=env.str(
            "CATALOG_DATABASE",
            default="trially_catalog",
            validate=validate.Regexp(r"[a-z][a-z0-9_]{0,39}\Z"),
        ),
        pinned_tenant=env.str(
            "PINNED_TENANT",
            default="",
            validate=validate.Regexp(rf"({SLUG_PATTERN})?\Z"),
        )
        or None,
        public_url=public_url,
        issuers=tuple(env.list("ISSUERS", default=[])),
        issuer_profiles=_read_path(env.str("ISSUER_PROFILES", default="")),
        audiences=tuple(env.list("AUDIENCES", default=["https://api.trially.ai"])),
        algorithms=tuple(env.list("ALGORITHMS", default=["RS256", "ES256", "EdDSA"])),
        token_types=tuple(env.list("TOKEN_TYPES", default=["at+jwt", "application/at+jwt"])),
        tenant_claim=env.str("TENANT_CLAIM", default="https://trially.ai/tenant"),
        dev_issuer=env.bool("DEV_ISSUER", default=development),
        connections_per_tenant=env.int("CONNECTIONS_PER_TENANT", default=50, validate=_positive),
        connections_per_shared_database=env.int(
            "CONNECTIONS_PER_SHARED_DATABASE", default=200, validate=_positive
        ),
        schemas_per_database=env.int("SCHEMAS_PER_DATABASE", default=500, validate=_positive),
        tenants_per_pool=env.int("TENANTS_PER_POOL", default=10_000, validate=_positive),
        plan_tiers=env.dict("PLAN_TIERS", default={}),
        replica_max_lag_ms=env.int(
            "REPLICA_MAX_LAG_MS", default=1000, validate=validate.Range(1, 5000)
        ),
        connections_per_server=env.int("CONNECTIONS_PER_SERVER", default=64, validate=_positive),
        checkout_timeout_seconds=env.float(
            "CHECKOUT_TIMEOUT_SECONDS", default=5.0, validate=validate.Range(0.01, 60)
        ),
        statement_timeout_ms=env.int("STATEMENT_TIMEOUT_MS", default=30_000, validate=_positive),
        placement_max_age_seconds=env.float(
            "PLACEMENT_MAX_AGE_SECONDS", default=5.0, validate=validate.Range(0, 5)
        ),
        max_body_bytes=env.int("MAX_BODY_BYTES", default=1 << 20, validate=_positive),
        max_json_depth=env.int("MAX_JSON_DEPTH", default=32, validate=validate.Range(1, 500)),
        max_json_items=env.int("MAX_JSON_ITEMS", default=1000, validate=_positive),
        max_import_bytes=env.int("MAX_IMPORT_BYTES", default=1 << 30, validate=_positive),
        max_import_expanded_bytes=env.int(
            "MAX_IMPORT_EXPANDED_BYTES", default=1 << 34, validate=_positive
        ),
        cursor_lifetime_seconds=env.int(
            "CURSOR_LIFETIME_SECONDS", default=86_400, validate=_positive
        ),
        idempotency_lifetime_seconds=env.int(
            "IDEMPOTENCY_LIFETIME_SECONDS", default=86_400, validate=_positive
        ),
        request_timeout_ms=env.int("REQUEST_TIMEOUT_MS", default=30_000, validate=_positive),
        cors_origins=tuple(env.list("CORS_ORIGINS", default=[])),
        log_level=env.str("LOG_LEVEL", default="INFO", validate=validate.OneOf(LOG_LEVELS)),
        slow_query_ms=env.int("SLOW_QUERY_MS", default=500, validate=validate.Range(min=0)),
        metrics_token=env.str("METRICS_TOKEN", default=""),
    )
    try:
        env.seal()
    except EnvError as error:
        raise SettingsError(f"A setting is unusable. {error}") from error
    _refuse_unsafe(settings)
    return settings


def current_settings() -> Settings:
    """Return the settings that the current app was made with."""
    return app_state().settings


def with_driver(url: str, setting: str = "TRIALLY_DATABASE_URL") -> URL:
    """Read a database URL, whatever driver it names, as one for psycopg2.

    SQLAlchemy 2.1 takes a bare `postgresql://` for psycopg 3, and hosts still hand out
    `postgres://`. Several hosts may be named as libpq has it, `postgresql://a:5432,b:5433/db`.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.partition("+")[0] not in {"postgres", "postgresql"}:
        raise SettingsError(f"{setting} must begin with postgresql://.")
    authority, hosts, end = _AUTHORITY.fullmatch(rest).groups()  # type: ignore[union-attr]
    try:
        if "," not in hosts:
            return make_url(f"{DRIVER}://{rest}")
        places = [make_url(f"{DRIVER}://{host}") for host in hosts.split(",")]
        return make_url(f"{DRIVER}://{authority}{end}").update_query_dict(
            {
                "host": ",".join(place.host or "" for place in places),
                "port": ",".join(str(place.port or "") for place in places),
            }
        )
    except (ArgumentError, ValueError):
        raise SettingsError(f"{setting} is not a database URL.") from None


def write_development_settings(instance: Path = INSTANCE) -> Path:
    """Write `instance/settings.env` for a developer's machine, unless it is there already."""
    path = instance / "settings.env"
    if not path.exists():
        instance.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(
            "# Settings of this machine. The environment wins over them; see docs/settings.md.\n"
            "TRIALLY_DEVELOPMENT=1\n"
            f"TRIALLY_SECRET_KEY={secrets.token_urlsafe(48)}\n",
            encoding="utf-8",
        )
    return path


def is_secure(url: str, *, allow_loopback: bool) -> bool:
    """Tell whether `url` is https, or http on loopback if that is allowed."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.hostname) and (
        parts.scheme == "https"
        or (parts.scheme == "http" and allow_loopback and parts.hostname in LOOPBACK_HOSTS)
    )


_positive = validate.Range(min=1)
_AUTHORITY = re.compile(r"((?:[^:/]*(?::[^@]*)?@)?)([^/?]*)(.*)", re.DOTALL)
"""Who logs in, the hosts, and the rest of what follows a URL's scheme."""

_ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?\Z")


def _read_database_url(url: str, setting: str) -> URL | None:
    return with_driver(url, setting) if url else None


def _read_path(path: str) -> Path | None:
    return Path(path) if path else None


def _refuse_unsafe(settings: Settings) -> None:
    if not settings.development:
        if settings.database_url is None:
            raise SettingsError(
                "TRIALLY_DATABASE_URL is not set. On a developer's machine `make setup` writes "
                "instance/settings.env, with which an embedded PostgreSQL is started."
            )
        if settings.dev_issuer:
            raise SettingsError(
                "TRIALLY_DEV_ISSUER needs TRIALLY_DEVELOPMENT: the built-in issuer signs a token "
                "for whoever asks."
            )
        if not settings.issuers and settings.issuer_profiles is None:
            raise SettingsError(
                "TRIALLY_ISSUERS and TRIALLY_ISSUER_PROFILES are not set: no token could be "
                "verified."
            )
    if len(settings.secret_key) < 32:
        raise SettingsError("TRIALLY_SECRET_KEY must have at least 32 characters.")
    if 0 < len(settings.metrics_token) < 16:
        raise SettingsError("TRIALLY_METRICS_TOKEN must have at least 16 characters, or none.")
    if not settings.audiences:
        raise SettingsError("TRIALLY_AUDIENCES is not set: no token could be meant for this.")
    for origin in settings.cors_origins:
        if not _ORIGIN.match(origin):
            raise SettingsError(f"TRIALLY_CORS_ORIGINS: {origin!r} is not an origin.")
    for issuer in settings.issuers:
        if not is_secure(issuer, allow_loopback=settings.development):
            raise SettingsError(f"TRIALLY_ISSUERS: {issuer!r} is not an https URL.")
