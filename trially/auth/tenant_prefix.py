"""Let a request choose one of its token's tenants in its path: `/<slug>/api/v1/…`."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from trially.slugs import REFERENCE_PATTERN

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATH_TENANT = "trially.path_tenant"
"""The key of the name in the WSGI environment. Headers cannot set it: theirs begin with `HTTP_`."""

_PREFIXED = re.compile(rf"/({REFERENCE_PATTERN})(/api/.*)\Z", re.DOTALL)


class TenantPrefix:
    """WSGI middleware that moves the prefix from the path into the environment.

    The prefix only names a tenant. `resolve_tenant` decides whether the token is for it.
    """

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Serve a request without the prefix."""
        prefixed = _PREFIXED.match(environ.get("PATH_INFO", ""))
        if prefixed:
            environ[PATH_TENANT], environ["PATH_INFO"] = prefixed.groups()
            environ["SCRIPT_NAME"] = f"{environ.get('SCRIPT_NAME', '')}/{prefixed[1]}"
        return self._app(environ, start_response)
