"""HTTP clients of members, and the types of the fixtures that create tenants and members."""

from collections.abc import Callable
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from trially.tenancy.catalog import Tenant


class Member:
    """An HTTP client of one member of one tenant.

    `patch` and `delete` first send a GET for the resource's ETag, unless `headers` has If-Match.
    Use `request` to send nothing else, for example when a test counts statements.
    """

    def __init__(self, client: FlaskClient, token: str, tenant: Tenant, subject: str) -> None:
        self._client = client
        self.token = token
        self.tenant = tenant
        self.subject = subject

    @property
    def app(self) -> Flask:
        """The app that answers this client."""
        return self._client.application

    def through(self, app: Flask) -> "Member":
        """Return a client of the same member for another app of this installation."""
        return Member(app.test_client(), self.token, self.tenant, self.subject)

    def request(self, method: str, path: str, **options: Any) -> TestResponse:
        """Send one request; the prefix `/api/v1` is added to the path if it is missing."""
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        prefix = "" if path.startswith("/api/") else "/api/v1"
        return self._client.open(prefix + path, method=method, headers=headers, **options)

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> TestResponse:
        return self.request("POST", path, **options)

    def patch(self, path: str, **options: Any) -> TestResponse:
        options["headers"] = {
            "Content-Type": "application/merge-patch+json",
            **self._with_if_match(path, options.get("headers", {})),
        }
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> TestResponse:
        options["headers"] = self._with_if_match(path, options.get("headers", {}))
        return self.request("DELETE", path, **options)

    def _with_if_match(self, path: str, headers: dict[str, str]) -> dict[str, str]:
        """Add If-Match with the resource's present ETag, unless `headers` has If-Match."""
        if "If-Match" in headers:
            return headers
        return {"If-Match": self.get(path).headers.get("ETag", "*"), **headers}


MakeTenant = Callable[..., Tenant]
"""`make_tenant(tier, **options)`: the options are those of `create_tenant`."""

AsMember = Callable[..., Member]
"""`as_member(tenant, role, **options)`: the options are those of `add_member`."""

MakePatient = Callable[..., dict[str, Any]]
"""`make_patient(member, **values)` returns the patient as the API answers it."""

MakeFact = Callable[..., str]
"""`make_fact(tenant, patient_id, **values)` returns the record's id."""
