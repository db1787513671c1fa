"""The routes of the API: the blueprint `bp` of every module called `routes` in the rooms below.

Modules called `model` are imported too, so `flask db migrate` sees every table.

A new room needs no entry here.
"""

import importlib
import pkgutil
from collections.abc import Iterator, Sequence
from types import ModuleType

from flask import Blueprint, Flask

from trially import (
    administration,
    analytics,
    audit,
    auditing,
    auth,
    backfills,
    exports,
    fhir,
    jobs,
    organisation,
    recruiting,
    scim,
    usage,
    webhooks,
)
from trially.auth.permissions import refuse_unguarded_views

API_PREFIX = "/api/v1"
ROOMS = (
    *(audit, backfills, auth, jobs, webhooks, administration, organisation, scim),
    *(recruiting, auditing, usage, analytics, exports, fhir),
)


def init_app(app: Flask) -> None:
    """Register the API's routes.

    Raises `UnguardedViewError` if a view says neither what it requires nor that it is public.
    """
    add_rooms(app, ROOMS)


def add_rooms(app: Flask, rooms: Sequence[ModuleType]) -> None:
    """Register the routes of some rooms.

    Raises `UnguardedViewError` if a view says neither what it requires nor that it is public.
    """
    for blueprint in find_blueprints(rooms):
        app.register_blueprint(blueprint, url_prefix=API_PREFIX + (blueprint.url_prefix or ""))
    refuse_unguarded_views(app.view_functions)


def find_blueprints(rooms: Sequence[ModuleType] = ROOMS) -> Iterator[Blueprint]:
    """Import every room's models and routes, and yield the blueprints of the routes.

    Several modules may add their views to one blueprint, so all are imported before it is yielded.
    """
    modules = [importlib.import_module(name) for name in _names_of_modules(rooms)]
    blueprints = [getattr(module, "bp", None) for module in modules]
    yield from dict.fromkeys(each for each in blueprints if each is not None)


def routes_only() -> Flask:
    """Return an app with the API's routes and nothing else, to look at them without a database."""
    app = Flask("api", static_folder=None)
    app.url_map.strict_slashes = False
    init_app(app)
    return app


def _names_of_modules(rooms: Sequence[ModuleType]) -> Iterator[str]:
    for room in rooms:
        for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            if module.name.endswith((".model", ".routes")):
                yield module.name
