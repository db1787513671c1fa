"""The environment with which another process has the settings of a test's app."""

import os
from pathlib import Path

from flask import Flask
from tenant_databases import access_of

from trially.config import ROOT
from trially.state import state_of


def environment_of(app: Flask) -> dict[str, str]:
    """Return the variables of this process, with the settings of `app` in place of others."""
    settings = state_of(app).settings
    url = access_of(app).admin_url.render_as_string(hide_password=False)
    others = {name: value for name, value in os.environ.items() if "TRIALLY" not in name}
    return {
        **others,
        "TRIALLY_DEVELOPMENT": "1",
        "TRIALLY_INSTANCE": str(settings.instance),
        "TRIALLY_SECRET_KEY": settings.secret_key,
        "TRIALLY_DATABASE_URL": url,
        "TRIALLY_CATALOG_DATABASE": settings.catalog_database,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}",
    }
