"""Rules that combine several settings, and refuse an unsafe start."""

from urllib.parse import urlsplit

from trially.config.errors import SettingsError
from trially.config.settings import Settings
from trially.config.strength import weakness_of

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
SHORTEST_SECRET = 32
SECRET_BITS = 80
SHORTEST_TOKEN = 16
TOKEN_BITS = 32
"""Estimated bits. The estimate is cautious: a random secret of the shortest length passes."""

GENERATOR = '`python3 -c "import secrets; print(secrets.token_urlsafe(48))"`'


def is_secure(url: str, *, allow_loopback: bool) -> bool:
    """Return whether `url` is https, or http on a loopback host if that is allowed."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.hostname) and (
        parts.scheme == "https"
        or (parts.scheme == "http" and allow_loopback and parts.hostname in LOOPBACK_HOSTS)
    )


def refuse_unsafe(settings: Settings) -> None:
    """Raise `SettingsError` for settings that would serve insecurely, or reject every token."""
    if not settings.development:
        _refuse_incomplete_production(settings)
    _refuse_weak("TRIALLY_SECRET_KEY", settings.secret_key, SHORTEST_SECRET, SECRET_BITS)
    if settings.previous_secret_key:
        # A weak key of an earlier version can be replaced, so only its length is checked.
        _refuse_weak("TRIALLY_PREVIOUS_SECRET_KEY", settings.previous_secret_key, SHORTEST_SECRET)
    if settings.previous_secret_key == settings.secret_key:
        raise SettingsError(
            "TRIALLY_PREVIOUS_SECRET_KEY is the same key as TRIALLY_SECRET_KEY. Set"
            " TRIALLY_SECRET_KEY to a new key, or unset TRIALLY_PREVIOUS_SECRET_KEY."
        )
    if settings.metrics_token:
        _refuse_weak("TRIALLY_METRICS_TOKEN", settings.metrics_token, SHORTEST_TOKEN, TOKEN_BITS)
    if not settings.audiences:
        raise SettingsError(
            "TRIALLY_AUDIENCES is empty, so every token would be rejected. Set it to the `aud`"
            " value of this back end's tokens."
        )
    for setting, issuers in (
        ("TRIALLY_ISSUERS", settings.issuers),
        ("TRIALLY_PLATFORM_ISSUERS", settings.platform_issuers),
        ("TRIALLY_ORGANISATION_ISSUERS", settings.organisation_issuers),
    ):
        for issuer in issuers:
            if not is_secure(issuer, allow_loopback=settings.development):
                raise SettingsError(
                    f"{setting} contains {issuer!r}, which is not an https URL. Use the issuer's"
                    " https URL, exactly as in `iss`."
                )


def _refuse_weak(setting: str, secret: str, shortest: int, min_bits: int = 0) -> None:
    """Raise `SettingsError`, without the secret in it, for a secret that is easy to guess."""
    if len(secret.strip()) < shortest:
        problem = f"must have at least {shortest} characters"
    elif min_bits and (weakness := weakness_of(secret, min_bits=min_bits)):
        problem = weakness
    else:
        return
    raise SettingsError(f"{setting} {problem}. Create one with {GENERATOR}.")


def _refuse_incomplete_production(settings: Settings) -> None:
    if settings.database_url is None:
        raise SettingsError(
            "TRIALLY_DATABASE_URL is not set. Set it to an administrator's URL of a PostgreSQL"
            " server. On a developer's machine, run `make setup` and `export TRIALLY_DEVELOPMENT=1`"
            " instead: an embedded PostgreSQL then starts."
        )
    if settings.dev_issuer:
        raise SettingsError(
            "TRIALLY_DEV_ISSUER is on without TRIALLY_DEVELOPMENT. Turn it off: the built-in issuer"
            " signs a token for anyone who asks."
        )
    if not settings.issuers and settings.issuer_profiles is None:
        raise SettingsError(
            "TRIALLY_ISSUERS and TRIALLY_ISSUER_PROFILES are not set, so every token would be"
            " rejected. Set one of them to the OIDC issuers that you trust."
        )
