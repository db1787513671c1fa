"""The branding that everybody may read, by domain or by slug."""

from flask import Flask

from trially.organisation.public.branding import PublicBranding
from trially.state import state_of


def init_app(app: Flask) -> None:
    """Create the app's cache of public branding, empty."""
    state_of(app).public_branding = PublicBranding()
