"""`/<slug>/api/v1/…`: the path may say which of a token's tenants a request is for."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATH_TENANT = "trially.path_tenant"
"""Where the WSGI environment holds the name. No header can: theirs begin with `HTTP_`."""

_PREFIXED = re.compile(r"/([a-z0-9-]{3,40})(/api/.*)\Z", re.DOTALL)


class TenantPrefix:
    """Takes the prefix off the path, so that the routes need not know of it.

    It only names a tenant; whether the token is for that one is decided where tokens are read.
    """

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Serve a request."""
        prefixed = _PREFIXED.match(environ.get("PATH_INFO", ""))
        if prefixed:
            environ[PATH_TENANT], environ["PATH_INFO"] = prefixed.groups()
            environ["SCRIPT_NAME"] = f"{environ.get('SCRIPT_NAME', '')}/{prefixed[1]}"
        return self._app(environ, start_response)
