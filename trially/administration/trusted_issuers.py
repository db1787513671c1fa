"""The issuers at which persons of the current tenant may sign in."""

from trially.auth.issuer_profile import IssuerProfile
from trially.auth.own_issuers.verifying import own_issuers
from trially.auth.tokens import UntrustedIssuerError
from trially.http.problems import validation_failed
from trially.state import app_state
from trially.tenancy.context import current_tenant


def find_issuer(issuer: str | None) -> tuple[str, IssuerProfile]:
    """Return the issuer as it is recorded, and its profile; without one, the first trusted issuer.

    The active issuers that the tenant has registered are trusted too. Answers 422 if the issuer is
    not trusted, or not for this tenant.
    """
    verifier = app_state().token_verifier
    chosen = issuer or verifier.first_issuer()
    profile: IssuerProfile | None
    try:
        profile = verifier.profile_of(chosen)
    except UntrustedIssuerError:
        profile = own_issuers().profile_named(current_tenant(), chosen)
    if profile is None or not profile.may_speak_for(*current_tenant().names):
        raise validation_failed([{"pointer": "/issuer", "detail": "This issuer is not trusted."}])
    return profile.recorded_as or profile.issuer, profile
