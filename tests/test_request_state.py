"""The states behind Flask's proxies, which are read through a variable that has no public name."""

import asyncio

import pytest
from flask import Flask, current_app, g
from flask.globals import _cv_app

from trially.request_state import request_state
from trially.state import app_state, state_of


def test_flask_still_has_the_variable_behind_its_proxies(app: Flask) -> None:
    with app.app_context():
        assert _cv_app.get().g is g._get_current_object()
        assert _cv_app.get().app is current_app._get_current_object()


def test_each_context_has_a_state_of_its_own(app: Flask) -> None:
    with app.app_context():
        outer = request_state()
        with app.app_context():
            assert request_state() is not outer
        assert request_state() is outer
        assert g.state is outer
        assert app_state() is state_of(app)


def test_without_a_context_there_is_no_state() -> None:
    with pytest.raises(RuntimeError, match="application context"):
        request_state()
    with pytest.raises(RuntimeError, match="application context"):
        app_state()


def test_no_function_that_flask_calls_is_a_coroutine(app: Flask) -> None:
    """`ensure_sync` would have to run coroutines."""
    hooks = [app.before_request_funcs, app.after_request_funcs, app.teardown_request_funcs]
    functions = [
        *app.view_functions.values(),
        *(
            function
            for by_blueprint in hooks
            for each in by_blueprint.values()
            for function in each
        ),
        *app.teardown_appcontext_funcs,
    ]

    assert len(functions) > 100
    assert not [each for each in functions if asyncio.iscoroutinefunction(each)]
