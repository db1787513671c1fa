"""What an operator with support access may not do, because it would outlast the grant."""

from trially.http.problems import Forbidden
from trially.request_state import request_state


def refuse_support() -> None:
    """Answer 403 if the caller is an operator with support access."""
    identity = request_state().identity
    if identity is None or identity.acting_for is not None:
        raise Forbidden(
            "Only a member of the tenant may do this, not an operator with support access."
        )
