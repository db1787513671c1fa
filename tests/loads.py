"""Serve the app with gunicorn as it is deployed, and load tenants of it with a ledger."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask

from faults.ports import free_port
from faults.serving import Gunicorn, start_gunicorn
from trially.auth.members.developers import add_developer
from trially.auth.roles import Role
from trially.config import Settings
from trially.demo.load import LoadedTenant
from trially.state import state_of
from trially.tenancy.catalog import Tenant


@dataclass(frozen=True)
class ServedApp:
    """A running gunicorn that serves the tests' installation."""

    app: Flask
    gunicorn: Gunicorn

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.gunicorn.port}"

    def loaded(self, tenant: Tenant, **clients: Any) -> LoadedTenant:
        """Return a tenant for `running_load`: by default with two writers and one reader."""
        issuer = state_of(self.app).dev_issuer
        with self.app.app_context():
            subject = add_developer(tenant.slug, Role.ADMIN, issuer.url)
        token = issuer.issue_token(subject=subject, tenant=tenant.slug)
        return LoadedTenant(tenant.slug, lambda: token, **{"writers": 2, "readers": 1, **clients})


@contextmanager
def served_app(app: Flask, settings: Settings, folder: Path) -> Iterator[ServedApp]:
    """Serve the installation of an app until the block ends. `folder` gets the log."""
    url = settings.database_url
    embedded = ",".join(f"{name}={value}" for name, value in settings.embedded_settings.items())
    environment = {
        "PATH": "/usr/bin:/bin",
        "TRIALLY_DEVELOPMENT": "1",
        "TRIALLY_INSTANCE": str(settings.instance),
        "TRIALLY_SECRET_KEY": settings.secret_key,
        "TRIALLY_EMBEDDED_SETTINGS": embedded,
        "TRIALLY_DATABASE_URL": url.render_as_string(hide_password=False) if url else "",
    }
    gunicorn = start_gunicorn(free_port(), environment, folder / "gunicorn.log")
    try:
        gunicorn.wait_until_live()
        yield ServedApp(app, gunicorn)
    finally:
        gunicorn.kill()
