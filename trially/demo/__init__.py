"""Seed demo tenants with invented people, patients and studies, and serve them."""

from flask import Flask

from trially.demo.commands import demo
from trially.demo.seeding import list_people


def init_app(app: Flask) -> None:
    """Add the demo's commands, and its people to the built-in issuer's login page."""
    app.cli.add_command(demo)
    issuer = app.extensions.get("trially_dev_issuer")
    if issuer is not None:
        issuer.people = list_people
