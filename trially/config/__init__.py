"""Settings, read once from the environment. A missing or invalid one stops the start.

`instance/settings.env` holds the settings of a developer's machine (`make setup` writes it); the
environment overrides it. `settings.py` is the table of all settings.
"""

from trially.config.database_urls import DRIVER, with_driver
from trially.config.errors import SettingsError
from trially.config.reading import is_configured, read_settings, write_development_settings
from trially.config.safety import LOOPBACK_HOSTS, is_secure
from trially.config.served_url import read_served_url, record_served_url
from trially.config.settings import (
    ACCESS_TOKEN_TYPES,
    ALGORITHMS,
    DEFAULT_PUBLIC_URL,
    INSTANCE,
    ROOT,
    Settings,
)
from trially.state import app_state

__all__ = [
    "ACCESS_TOKEN_TYPES",
    "ALGORITHMS",
    "DEFAULT_PUBLIC_URL",
    "DRIVER",
    "INSTANCE",
    "LOOPBACK_HOSTS",
    "ROOT",
    "Settings",
    "SettingsError",
    "current_settings",
    "is_configured",
    "is_secure",
    "read_served_url",
    "read_settings",
    "record_served_url",
    "with_driver",
    "write_development_settings",
]


def current_settings() -> Settings:
    """Return the settings that the current app was created with."""
    return app_state().settings
