"""A built-in OpenID Connect issuer for development. It signs tokens without any password."""

from flask import Flask

from trially.config import DEFAULT_PUBLIC_URL, Settings, is_configured
from trially.dev_issuer.issuer import DevIssuer
from trially.dev_issuer.members import Members
from trially.dev_issuer.pages import create_pages
from trially.dev_issuer.people import Person
from trially.state import state_of

__all__ = ["DevIssuer", "Person", "init_app"]

PATH = "/dev-issuer"
KEY_FILE = "dev-issuer-key.json"


def init_app(app: Flask, settings: Settings) -> DevIssuer:
    """Serve the built-in issuer at `/dev-issuer`, and return it."""
    # The port may change with each start, and the members are to stay. So their issuer is recorded
    # under the default URL, unless the installation has a public URL of its own.
    has_own_url = is_configured("public_url", settings)
    recorded_url = settings.public_url if has_own_url else DEFAULT_PUBLIC_URL
    issuer = DevIssuer(
        url=settings.public_url + PATH,
        recorded_as=recorded_url + PATH,
        key_file=settings.instance / KEY_FILE,
        audience=settings.audiences[0],
        tenant_claim=settings.tenant_claim,
        lifetime_seconds=settings.dev_token_seconds,
    )
    issuer.people = Members(issuer.recorded_as)
    app.register_blueprint(create_pages(issuer), url_prefix=PATH)
    state_of(app).dev_issuer = issuer
    return issuer
