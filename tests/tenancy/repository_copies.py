"""Copies of the repository, in which `flask` runs as a process of its own."""

import os
import shutil
import subprocess
import sys

from trially.config import ROOT

COPIED = ("serving", "trially", "migrations", "wsgi.py", "pyproject.toml")


class RepositoryCopy:
    """A copy of the repository, on the server of the tests."""

    def __init__(self, root, settings, **changes):
        self.root = root
        for name in COPIED:
            if (ROOT / name).is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / name, root / name, ignore=ignored)
            else:
                shutil.copy(ROOT / name, root / name)
        inherited = {name: value for name, value in os.environ.items() if "TRIALLY" not in name}
        self.environment = inherited | {
            "TRIALLY_DEVELOPMENT": "1",
            "TRIALLY_INSTANCE": str(settings.instance),
            "TRIALLY_SECRET_KEY": settings.secret_key,
            "PYTHONPATH": str(root),
            **changes,
        }

    def flask(self, *arguments):
        return self.python("-m", "flask", *arguments)

    def python(self, *arguments):
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def versions(self, lineage="tenant"):
        """Return the paths of the migrations, the newest last."""
        return sorted((self.root / "migrations" / lineage / "versions").glob("*.py"))


def installation_of(app_settings):
    """Return the environment of a process that uses the same installation."""
    return {
        "TRIALLY_DATABASE_URL": app_settings.database_url.render_as_string(hide_password=False),
        "TRIALLY_CATALOG_DATABASE": app_settings.catalog_database,
    }
