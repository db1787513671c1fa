"""The issuers at which persons of the current tenant may sign in."""

from trially.auth.issuer_profile import IssuerProfile
from trially.auth.tokens import UntrustedIssuerError
from trially.http.problems import validation_failed
from trially.state import app_state
from trially.tenancy.context import current_tenant


def find_issuer(issuer: str | None) -> tuple[str, IssuerProfile]:
    """Return the issuer as it is recorded, and its profile; without one, the first trusted issuer.

    Answers 422 if it is not trusted, or not for this tenant.
    """
    verifier = app_state().token_verifier
    chosen = issuer or verifier.first_issuer()
    try:
        profile = verifier.profile_of(chosen)
    except UntrustedIssuerError:
        raise _not_trusted() from None
    if chosen is None or not profile.may_speak_for(*current_tenant().names):
        raise _not_trusted()
    return profile.recorded_as or profile.issuer, profile


def _not_trusted() -> Exception:
    return validation_failed([{"pointer": "/issuer", "detail": "This issuer is not trusted."}])
