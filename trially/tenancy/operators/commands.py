"""The record of a command: its words, its target and its parameters, without secrets and files."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from flask import Flask
from sqlalchemy import URL

from trially.config import current_settings
from trially.state import state_of
from trially.tenancy.operators import recording
from trially.tenancy.operators.recording import Action, recorded

LONGEST = 200
"""The most characters of a parameter that are recorded."""

HIDDEN = "…"
_SECRET_NAME = re.compile("password|secret|token|credential|private")
_USER_IN_URL = re.compile(r"(?<=://)[^/@\s]*@")
_UNSAID = frozenset({"as_json", "columns", "is_wide"})
"""Parameters that only change what is printed."""


@contextmanager
def recorded_command(context: click.Context, reason: str | None) -> Iterator[None]:
    """Record a command around the block that runs it."""
    parameters = parameters_of(context)
    target = next(
        (
            str(context.params[each.name])
            for each in context.command.params
            if isinstance(each, click.Argument) and each.name in parameters
        ),
        None,
    )
    action = Action(
        words_of(context)[:80],
        target=target,
        reason=reason or current_settings().reason,
        details={"parameters": parameters} if parameters else {},
        # The commands that need the catalog have checked that it is there.
        may_lack_log=getattr(context.command, "prepare", None) is None,
    )
    with recorded(action):
        yield


def init_app(app: Flask) -> None:
    """Record the commands of an app, and the changes that they make in the catalog."""
    state_of(app).record_command = recorded_command
    recording.init_app(app)


def words_of(context: click.Context) -> str:
    """Return the words of a command, such as `tenants create`, without the name of the program."""
    words = []
    while context.parent is not None:
        words.append(context.info_name or "")
        context = context.parent
    return " ".join(reversed(words)) or context.info_name or "?"


def parameters_of(context: click.Context) -> dict[str, Any]:
    """Return the parameters that were passed, as they are recorded.

    Secrets are hidden. Files are counted, because their names may name a patient.
    """
    return {
        each.name: _shown(each, context.params[each.name])
        for each in context.command.params
        if each.name in context.params
        and each.name not in _UNSAID
        and context.get_parameter_source(each.name) is not ParameterSource.DEFAULT
    }


def _shown(parameter: click.Parameter, value: Any) -> Any:
    if isinstance(value, list | tuple) and not isinstance(parameter.type, click.Path | click.File):
        return [_shown(parameter, each) for each in value]
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(parameter.type, click.Path | click.File) or isinstance(value, Path):
        count = len(value) if isinstance(value, list | tuple) else 1
        return f"{count} files" if count != 1 else "1 file"
    if getattr(parameter, "hide_input", False) or _SECRET_NAME.search(parameter.name or ""):
        return HIDDEN
    if isinstance(value, URL):
        return URL.create(value.drivername, None, None, value.host, value.port).render_as_string()
    return _USER_IN_URL.sub(f"{HIDDEN}@", str(value))[:LONGEST]
