"""The routes of the API: the blueprint `bp` of every module called `routes` in the rooms below.

A new room needs no entry here.
"""

import importlib
import pkgutil
from collections.abc import Iterator

from flask import Blueprint, Flask

from trially import auth, recruiting

API_PREFIX = "/api/v1"
ROOMS = (auth, recruiting)


def init_app(app: Flask) -> None:
    """Register the API's routes."""
    for blueprint in find_blueprints():
        app.register_blueprint(blueprint, url_prefix=API_PREFIX + (blueprint.url_prefix or ""))


def find_blueprints() -> Iterator[Blueprint]:
    """Import every room's routes, and yield their blueprints."""
    for room in ROOMS:
        for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            if module.name.endswith(".routes"):
                yield importlib.import_module(module.name).bp


def routes_only() -> Flask:
    """Return an app with the API's routes and nothing else, to look at them without a database."""
    app = Flask("api", static_folder=None)
    app.url_map.strict_slashes = False
    init_app(app)
    return app
