"""The page at `/` and `/api/v1` with links to the documentation. It shows no data of tenants."""

import base64
import hashlib
from dataclasses import asdict, dataclass
from urllib.parse import urlencode

from flask import Blueprint, Response, current_app, render_template_string, request

from trially.auth.permissions import public
from trially.http.answering import json_response
from trially.state import app_state

GUIDE_PATH = "/docs/guide/"
STYLE = """
:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 34rem; padding: 3rem 1rem; font: 16px/1.6 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.6rem; }
dt { margin-top: 1rem; font-weight: 600; }
dd { margin: 0; }
"""
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>trially</title>
<link rel="icon" href="/favicon.ico">
<style>{{ style | safe }}</style>
</head>
<body>
<main>
<h1>trially</h1>
<p>The back end of a clinical-trial recruiting web app.</p>
<dl>
{% for link in links %}
<dt><a href="{{ link.path }}">{{ link.title }}</a></dt><dd>{{ link.text }}</dd>
{% endfor %}
</dl>
</main>
</body>
</html>
"""
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">'
    '<rect width="16" height="16" rx="4" fill="#0b6e69"/>'
    '<path d="M4 5h8M8 5v7" stroke="#fff" stroke-width="2"/></svg>'
)
CONTENT_POLICY = (
    "default-src 'none'; img-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    + "'"
)

SIGN_IN = "/dev-issuer/authorize?" + urlencode(
    {
        "response_type": "code",
        "client_id": "web",
        "redirect_uri": "http://127.0.0.1:3000/",
        "scope": "openid",
        "code_challenge_method": "S256",
        "code_challenge": "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
    }
)
"""The page that a web app on port 3000 would open. The challenge is of an empty verifier."""

SIGN_IN_TEXT = (
    "The people that a web app can sign in as. `make status` prints a token of some of them, and"
    " the settings of a web app."
)


@dataclass(frozen=True)
class Link:
    """A link of the page."""

    path: str
    title: str
    text: str


def add_start_page(bp: Blueprint) -> None:
    """Add the page and its icon to a blueprint."""
    bp.add_url_rule("/", view_func=show_start)
    # Rules that begin with /api/ are operations of the OpenAPI document, and this page is none.
    bp.add_url_rule("/<any(api):_>/v1", view_func=show_api_start)
    bp.add_url_rule("/favicon.ico", view_func=show_icon)


@public
def show_start() -> Response:
    """Show links to the documentation."""
    return _show_links("text/html")


@public
def show_api_start(_: str) -> Response:
    """Show links to the documentation of the API."""
    return _show_links("application/json")


@public
def show_icon() -> Response:
    """Show the icon that browsers ask for."""
    response = Response(ICON, content_type="image/svg+xml")
    response.cache_control.max_age = 86_400
    return response


def guide_path() -> str | None:
    """Return the path of the guide, or None if this app does not serve it."""
    rules = current_app.url_map.iter_rules()
    return GUIDE_PATH if any(rule.rule.startswith(GUIDE_PATH) for rule in rules) else None


def _show_links(default: str) -> Response:
    """Return the links in the form that the client accepts; `default` if it accepts both."""
    links = _find_links()
    other = "application/json" if default == "text/html" else "text/html"
    if request.accept_mimetypes.best_match([default, other], default) == "text/html":
        response = Response(render_template_string(PAGE, style=STYLE, links=links))
        response.headers["Content-Security-Policy"] = CONTENT_POLICY
    else:
        response = json_response({"links": [asdict(link) for link in links]})
    response.vary.add("Accept")
    return response


def _find_links() -> list[Link]:
    has_issuer = app_state().dev_issuer is not None
    return [
        Link("/docs/", "API documentation", "Browse the API, and try it out with a token."),
        Link("/openapi.json", "OpenAPI document", "The same for programs."),
        *(
            [Link(GUIDE_PATH, "Guide", "Tutorial, API by task, settings, runbooks.")]
            if guide_path()
            else []
        ),
        *([Link(SIGN_IN, "Sign-in for development", SIGN_IN_TEXT)] if has_issuer else []),
        Link("/readyz", "Health", "Whether this server can answer requests."),
    ]
