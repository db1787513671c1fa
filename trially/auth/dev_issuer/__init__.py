"""A built-in OpenID Connect issuer for local work: it signs a token for whoever asks."""

from flask import Flask

from trially.auth.dev_issuer.issuer import DevIssuer, Person
from trially.config import Settings

__all__ = ["DevIssuer", "Person", "init_app"]

PATH = "/dev-issuer"
KEY_FILE = "dev-issuer-key.json"


def init_app(app: Flask, settings: Settings) -> DevIssuer | None:
    """Serve the built-in issuer, if the settings say so, and return it."""
    if not settings.dev_issuer:
        return None
    issuer = DevIssuer(
        url=settings.public_url + PATH,
        key_file=settings.instance / KEY_FILE,
        audience=settings.audiences[0],
        tenant_claim=settings.tenant_claim,
    )
    app.register_blueprint(issuer.blueprint(), url_prefix=PATH)
    app.extensions["trially_dev_issuer"] = issuer
    return issuer
