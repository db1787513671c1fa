"""Create demo tenants with fictitious people, patients and studies, and serve them."""

from flask import Flask

from trially.demo.commands import demo
from trially.demo.seeding import list_people
from trially.state import state_of


def init_app(app: Flask) -> None:
    """Register the demo commands, and list the demo people on the built-in issuer's login page."""
    app.cli.add_command(demo)
    issuer = state_of(app).dev_issuer
    if issuer is not None:
        issuer.people = list_people
