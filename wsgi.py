"""The WSGI application: `gunicorn wsgi:app`, and what `flask` finds."""

import sys

import click
from gunicorn.errors import AppImportError

from trially import create_app
from trially.errors import OperatorError
from trially.tenancy.recorded_keys import check_at_start

is_command = click.get_current_context(silent=True) is not None

try:
    app = create_app()
    if not is_command:
        # Commands check the secret key when they first use the catalog.
        check_at_start(app)
except OperatorError as error:
    sentence = f"trially cannot start. {error}"
    if is_command:
        sys.exit(sentence)
    # gunicorn prints the sentence, and stops unless other workers serve.
    raise AppImportError(sentence) from None
