"""Answer requests whose tenant's data key cannot be used, and tell operators why."""

from flask import Flask, Response, current_app
from sqlalchemy.exc import StatementError

from trially.auth.refusals import control_plane_unavailable
from trially.errors import OperatorError
from trially.http.codes import Code
from trially.http.problems import ServiceUnavailable
from trially.http.retry_after import retry_after
from trially.keys.providers import KeyProviderError
from trially.request_state import request_state
from trially.tenancy.catalog_reader import CatalogUnavailableError
from trially.tenancy.data_keys import DestroyedKeyError, UnknownKeyError

_KEY_ERRORS = (KeyProviderError, UnknownKeyError, DestroyedKeyError)


def init_app(app: Flask) -> None:
    """Render errors of data keys and of the catalog that stores them."""
    for error in _KEY_ERRORS:
        app.register_error_handler(error, _refuse)
    app.register_error_handler(StatementError, _refuse_statement)
    app.register_error_handler(CatalogUnavailableError, _refuse_without_catalog)


def _refuse(error: OperatorError) -> Response:
    """Answer 503. The reason is for operators only: it names the master key."""
    placement = request_state().placement
    current_app.logger.error(
        "A request needs a data key that cannot be used: %s",
        error,
        extra={
            "code": Code.DATA_KEY_UNAVAILABLE,
            "error": type(error).__name__,
            "tenant_id": None if placement is None else str(placement.tenant_id),
        },
    )
    return ServiceUnavailable(
        "The key of this tenant's encrypted data cannot be used now.",
        code=Code.DATA_KEY_UNAVAILABLE,
        headers=retry_after(
            Code.DATA_KEY_UNAVAILABLE, None if placement is None else placement.tenant_id
        ),
    ).to_response()


def _refuse_statement(error: StatementError) -> Response:
    """Answer a statement whose values could not be sealed; SQLAlchemy wraps the reason."""
    if isinstance(error.orig, _KEY_ERRORS):
        return _refuse(error.orig)
    raise error


def _refuse_without_catalog(_error: CatalogUnavailableError) -> Response:
    return control_plane_unavailable().to_response()
