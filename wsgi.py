"""The WSGI application: `gunicorn wsgi:app`, and what `flask` finds."""

import sys

import click

from trially import create_app
from trially.command_line import command_index, looks_for_command
from trially.errors import OperatorError
from trially.terminal.lazy import paused_collector

context = click.get_current_context(silent=True)

try:
    if context is None:
        with paused_collector():
            app = create_app()
            # Commands check the secret key when they first use the catalog.
            from trially.tenancy.recorded_keys import check_at_start

            check_at_start(app)
    elif looks_for_command(context):
        # `flask` looks for a command, which makes the app that it needs itself.
        app = command_index(context)
    else:
        with paused_collector():
            app = create_app()
except OperatorError as error:
    sentence = f"trially cannot start. {error}"
    if context is not None:
        sys.exit(sentence)
    from gunicorn.errors import AppImportError

    # gunicorn prints the sentence, and stops unless other workers serve.
    raise AppImportError(sentence) from None
