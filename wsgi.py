"""The WSGI application: `gunicorn wsgi:app`, and what `flask` finds."""

import sys

from trially import create_app
from trially.config import SettingsError

try:
    app = create_app()
except SettingsError as error:
    sys.exit(f"trially cannot start. {error}")
