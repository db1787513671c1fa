"""The WSGI application: `gunicorn wsgi:app`, and what `flask` finds."""

import sys

from trially import create_app
from trially.errors import OperatorError

try:
    app = create_app()
except OperatorError as error:
    sys.exit(f"trially cannot start. {error}")
