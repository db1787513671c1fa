"""The documentation's site at `/docs/guide/`, in development only.

The site is built when a page is requested and the built one is older than its sources. Building
needs MkDocs, which `make docs-site` installs. Without it, the page says so.
"""

from http import HTTPStatus
from pathlib import Path

from flask import Blueprint, Flask, redirect, render_template, request, send_from_directory
from flask.typing import ResponseReturnValue

from trially.auth.permissions import public
from trially.config import ROOT
from trially.guide.building import Builder

PATH = "/docs/guide"
SITE = Path("build", "guide")


def init_app(app: Flask, root: Path = ROOT) -> None:
    """Serve the documentation of a copy of the repository."""
    app.register_blueprint(create_pages(Builder(root, root / SITE)), url_prefix=PATH)


def create_pages(builder: Builder) -> Blueprint:
    """Return the blueprint that serves the site."""
    pages = Blueprint("guide", __name__, template_folder="templates")

    @pages.get("/")
    @public
    def show_first_page() -> ResponseReturnValue:
        """Show the first page. Its links are relative to a path that ends with a slash."""
        return show_file("index.html") if request.path.endswith("/") else redirect(f"{PATH}/")

    @pages.get("/<path:name>")
    @public
    def show_file(name: str) -> ResponseReturnValue:
        """Show a page of the documentation, or a file that pages use."""
        failure = builder.build_if_needed() if name.endswith(".html") else None
        if failure is not None:
            return render_template("guide/not_built.html", failure=failure), HTTPStatus.NOT_FOUND
        return send_from_directory(builder.site, name)

    return pages
