"""`flask openapi`."""

import click

from trially.state import app_state
from trially.terminal import NOTHING, command


@command("openapi", loses=NOTHING, only_reads=True)
def openapi() -> None:
    """Print the OpenAPI document."""
    click.echo(app_state().openapi_document)
