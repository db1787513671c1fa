"""Create demo tenants with fictitious people, patients and studies, and serve them."""

from flask import Flask

from trially.demo.seeding import list_people
from trially.state import state_of


def init_app(app: Flask) -> None:
    """List the demo people on the built-in issuer's login page."""
    issuer = state_of(app).dev_issuer
    if issuer is not None:
        issuer.people = list_people
