"""Record why the built-in issuer refuses a request."""

from flask import current_app

from trially.request_state import request_state


def record_refusal(error: str, description: str) -> None:
    """Write a refusal to the log, and its error to the line of the request.

    The description must quote no value of the request.
    """
    request_state().refusal = error
    current_app.logger.info("The built-in issuer refused a request: %s: %s", error, description)
