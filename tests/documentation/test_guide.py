"""`/docs/guide/` serves the built site, builds it on demand, or says how to build it."""

import os
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from trially import guide
from trially.guide import building
from trially.state import state_of


class Copy:
    """A copy of the repository with a page, a tool that builds, and an app that serves the site."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.site = root / "build" / "guide"
        self.page = root / "docs" / "README.md"
        self.page.parent.mkdir()
        self.page.write_text("first")
        tool = root / "tools" / "docs_site"
        tool.mkdir(parents=True)
        (tool.parent / "__init__.py").touch()
        (tool / "__main__.py").write_text(
            "import sys\nfrom pathlib import Path\n"
            "text = Path('docs/README.md').read_text()\n"
            "if text == 'broken':\n    sys.exit('a link is <broken>')\n"
            "site = Path(sys.argv[1])\nsite.mkdir(parents=True, exist_ok=True)\n"
            "(site / 'index.html').write_text(text)\n(site / 'a.js').write_text('script')\n"
        )
        app = Flask("guide")
        guide.init_app(app, root)
        self.client: FlaskClient = app.test_client()

    def get(self, name: str = "") -> TestResponse:
        """Request a file of the site."""
        return self.client.get(f"/docs/guide/{name}", buffered=True)

    def change(self, text: str) -> None:
        """Change the page, a second after the site was built."""
        self.page.write_text(text)
        later = (self.site / "index.html").stat().st_mtime + 1
        os.utime(self.page, (later, later))


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


@pytest.fixture
def without_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_nothing(name: str) -> ModuleSpec | None:
        return None

    monkeypatch.setattr(building, "find_spec", find_nothing)


def test_the_site_is_built_when_it_is_requested(copy: Copy) -> None:
    assert copy.get().text == "first"
    assert copy.get("index.html").text == "first"
    assert copy.get("a.js").text == "script"


def test_a_changed_page_is_built_again(copy: Copy) -> None:
    copy.get()
    copy.change("second")
    assert copy.get().text == "second"


def test_a_failure_is_shown(copy: Copy) -> None:
    copy.get()
    copy.change("broken")
    answer = copy.get()
    assert answer.status_code == 404
    assert "a link is &lt;broken&gt;" in answer.text


@pytest.mark.usefixtures("without_tool")
def test_without_the_tool_the_page_says_how_to_build(copy: Copy) -> None:
    answer = copy.get()
    assert answer.status_code == 404
    assert "make docs-site" in answer.text


def test_without_the_tool_an_older_site_is_shown(copy: Copy, without_tool: None) -> None:
    copy.site.mkdir(parents=True)
    (copy.site / "index.html").write_text("older")
    copy.change("newer")
    assert copy.get().text == "older"


@pytest.mark.parametrize("name", ["../../docs/README.md", "..%2f..%2fdocs/README.md", "no.html"])
def test_nothing_else_is_served(copy: Copy, name: str) -> None:
    assert copy.get(name).status_code == 404


def test_links_are_relative_to_a_path_with_a_slash(copy: Copy) -> None:
    copy.client.application.url_map.strict_slashes = False
    answer = copy.client.get("/docs/guide")
    assert answer.status_code in (301, 302, 308)
    assert answer.location.endswith("/docs/guide/")


def test_development_links_to_the_guide_with_the_policy_of_docs(app: Flask) -> None:
    client = app.test_client()
    guide = client.get("/openapi.json").json["externalDocs"]["url"]
    assert guide == f"{state_of(app).settings.public_url}/docs/guide/"
    missing = client.get("/docs/guide/no-such-file.css")
    assert missing.status_code == 404
    assert missing.json["code"] == "not_found"
    policy = client.get("/docs/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
