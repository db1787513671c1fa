"""Whether this process lives, and whether it is ready for requests."""

from http import HTTPStatus

from flask import Blueprint, Response, current_app
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from trially.auth.permissions import public
from trially.http.contract import json_response
from trially.tenancy.catalog import reader_engine
from trially.tenancy.migrating import CATALOG_LINEAGE, head_of

bp = Blueprint("health", __name__)


@bp.get("/livez")
@public
def show_liveness() -> Response:
    """Tell that the process answers."""
    return json_response({"status": "ok"})


@bp.get("/readyz")
@public
def show_readiness() -> Response:
    """Tell whether what every request needs is there: the catalog, at the right revision."""
    checks = {"catalog": _check_catalog()}
    is_ready = all(state == "ok" for state in checks.values())
    return json_response(
        {"status": "ok" if is_ready else "unavailable", "checks": checks},
        HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE,
    )


def _check_catalog() -> str:
    try:
        with reader_engine().connect() as catalog:
            at = catalog.scalar(text("SELECT version_num FROM catalog.alembic_version"))
    except SQLAlchemyError as error:
        current_app.logger.warning("The catalog cannot be asked: %s.", type(error).__name__)
        return "unreachable"
    return "ok" if at == head_of(CATALOG_LINEAGE) else "not migrated"
