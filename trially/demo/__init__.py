"""Create demo tenants with fictitious people, patients and studies, and serve them."""

from flask import Flask

from trially.demo.commands import demo


def init_app(app: Flask) -> None:
    """Register the demo commands."""
    app.cli.add_command(demo)
