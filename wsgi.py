"""The WSGI application: `gunicorn wsgi:app`, and what `flask` finds."""

import sys

import click

from trially import create_app
from trially.errors import OperatorError
from trially.tenancy.recorded_keys import check_at_start

try:
    app = create_app()
    if click.get_current_context(silent=True) is None:
        # A server. Commands check the key when they first use the catalog.
        check_at_start(app)
except OperatorError as error:
    sys.exit(f"trially cannot start. {error}")
