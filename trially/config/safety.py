"""Rules that combine several settings, and refuse an unsafe start."""

from urllib.parse import urlsplit

from trially.config.errors import SettingsError
from trially.config.settings import Settings

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
SHORTEST_SECRET = 32
SHORTEST_METRICS_TOKEN = 16


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
    if len(settings.secret_key) < SHORTEST_SECRET:
        raise SettingsError(
            f"TRIALLY_SECRET_KEY must have at least {SHORTEST_SECRET} characters. Create one with"
            ' `python3 -c "import secrets; print(secrets.token_urlsafe(48))"`.'
        )
    if 0 < len(settings.metrics_token) < SHORTEST_METRICS_TOKEN:
        raise SettingsError(
            f"TRIALLY_METRICS_TOKEN must have at least {SHORTEST_METRICS_TOKEN} characters."
            " Leave it empty to disable /metrics."
        )
    if not settings.audiences:
        raise SettingsError(
            "TRIALLY_AUDIENCES is empty, so every token would be rejected. Set it to the `aud`"
            " value of this back end's tokens."
        )
    for issuer in settings.issuers:
        if not is_secure(issuer, allow_loopback=settings.development):
            raise SettingsError(
                f"TRIALLY_ISSUERS contains {issuer!r}, which is not an https URL. Use the issuer's"
                " https URL, exactly as in `iss`."
            )


def _refuse_incomplete_production(settings: Settings) -> None:
    if settings.database_url is None:
        raise SettingsError(
            "TRIALLY_DATABASE_URL is not set. Set it to an administrator's URL of a PostgreSQL"
            " server. On a developer's machine, run `make setup` instead: it writes"
            " instance/settings.env, which starts an embedded PostgreSQL."
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
