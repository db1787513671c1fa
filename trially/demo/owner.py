"""Send requests to this app as the owner of a demo tenant."""

from contextvars import Context
from typing import Any

from flask import Flask, current_app

from trially.demo.organisations import DemoOrganisation
from trially.dev_issuer import DevIssuer
from trially.errors import OperatorError

Item = dict[str, Any]

TOKEN_SECONDS = 300
ERRORS_START = 400
MOST_ITEMS = 100


class RefusedError(OperatorError):
    """The API refused something that the demo sets up."""


class Owner:
    """The owner of a demo tenant. Only owners and admins may activate a protocol."""

    def __init__(self, organisation: DemoOrganisation, issuer: DevIssuer) -> None:
        owner = next(person for person in organisation.people if person.role == "owner")
        token = issuer.issue_token(
            subject=owner.subject, tenant=organisation.slug, lifetime_seconds=TOKEN_SECONDS
        )
        self._authorisation = {"Authorization": f"Bearer {token}"}
        self._app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001

    def list(self, path: str) -> list[Item]:
        """Return the items of a list, which has no second page."""
        items: list[Item] = self.send("GET", f"{path}?limit={MOST_ITEMS}")["data"]
        return items

    def send(
        self, method: str, path: str, body: Item | None = None, version: str | None = None
    ) -> Item:
        """Return the answer to a request. `version` is the ETag of what it changes.

        Raises `RefusedError`.
        """
        # In a context of its own. Otherwise the request would share the command's.
        return Context().run(self._send, method, path, body, version)

    def _send(self, method: str, path: str, body: Item | None, version: str | None) -> Item:
        precondition = {"If-Match": version} if version else {}
        answer = self._app.test_client().open(
            f"/api/v1{path}",
            method=method,
            json=body,
            headers={**self._authorisation, **precondition},
        )
        item: Item = answer.get_json()
        if answer.status_code >= ERRORS_START:
            raise RefusedError(f"{method} {path} was refused: {item.get('detail')}")
        return item
