"""A fixture that replaces a view."""

from collections.abc import Callable
from typing import Any

import pytest
from cycle_views import ReplaceView
from flask import Flask

from trially.auth.permissions import Permission, requires


@pytest.fixture
def answer_me_with(app: Flask, monkeypatch: pytest.MonkeyPatch) -> ReplaceView:
    """Replace the view of GET /me."""

    def replace_view(view: Callable[[], Any]) -> None:
        guarded = requires(Permission.ME_READ)(lambda: view())
        monkeypatch.setitem(app.view_functions, "me.show_me", guarded)

    return replace_view
