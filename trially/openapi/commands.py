"""`flask openapi`."""

import click

from trially.openapi import document_of
from trially.openapi.planes import ORGANISATIONS, PLATFORM, TENANTS
from trially.terminal import NOTHING, command


@command("openapi", loses=NOTHING, only_reads=True)
@click.option("--platform", is_flag=True, help="Print that of the platform API.")
@click.option("--organisations", is_flag=True, help="Print that for people of organisations.")
def openapi(*, platform: bool, organisations: bool) -> None:
    """Print the OpenAPI document."""
    if platform and organisations:
        raise click.UsageError("Use either --platform or --organisations.")
    plane = ORGANISATIONS if organisations else PLATFORM if platform else TENANTS
    click.echo(document_of(plane))
