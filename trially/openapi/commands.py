"""`flask openapi`."""

import click

from trially.state import app_state
from trially.terminal import NOTHING, command


@command("openapi", loses=NOTHING, only_reads=True)
@click.option("--platform", is_flag=True, help="Print that of the platform API.")
@click.option("--organisations", is_flag=True, help="Print that for people of organisations.")
def openapi(*, platform: bool, organisations: bool) -> None:
    """Print the OpenAPI document."""
    if platform and organisations:
        raise click.UsageError("Use either --platform or --organisations.")
    state = app_state()
    if organisations:
        document = state.organisations_document
    else:
        document = state.platform_document if platform else state.openapi_document
    click.echo(document.render())
