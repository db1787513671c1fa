"""The commands of the demo run on development machines only."""

from trially.dev_issuer import DevIssuer
from trially.errors import OperatorError
from trially.state import app_state


class NotForProductionError(OperatorError):
    """A demo command was run outside development."""


def require_development() -> DevIssuer:
    """Return the built-in issuer, or raise `NotForProductionError` outside development."""
    issuer = app_state().dev_issuer
    if issuer is None:
        raise NotForProductionError(
            "The demo needs the built-in issuer, which is off. On a development machine, set"
            " TRIALLY_DEVELOPMENT=1."
        )
    return issuer
