"""Read the settings from the environment and from `settings.env` of the instance.

Only the environment of this process turns development on. And a file is read only if the process
asks for it: a developer's file by `TRIALLY_DEVELOPMENT`, any other by `TRIALLY_INSTANCE`. So a
production process next to a developer's file takes nothing from it.
"""

import math
import os
import re
import secrets
from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any, get_origin, get_type_hints

from dotenv import dotenv_values
from sqlalchemy import URL

from trially.config.database_urls import with_driver
from trially.config.errors import SettingsError
from trially.config.private_files import create_file
from trially.config.rules import Rule
from trially.config.safety import refuse_unsafe
from trially.config.served_url import read_served_url
from trially.config.settings import INSTANCE, WEB_APP_ORIGINS, Settings
from trially.config.unknown_names import report_unknown

PREFIX = "TRIALLY_"
DEVELOPMENT = "TRIALLY_DEVELOPMENT"
SETTINGS_FILE = "settings.env"

_DEVELOPMENT_LINE = re.compile(
    rf"^\s*(?:export\s+)?{DEVELOPMENT}\s*=[ '\"]*(\w*)", re.IGNORECASE | re.MULTILINE
)
_TRUE = frozenset({"1", "on", "t", "true", "y", "yes"})
_FALSE = frozenset({"0", "f", "false", "n", "no", "off"})
_OFF = _FALSE | {""}


def read_settings(instance: Path | None = None) -> Settings:
    """Return the settings of an instance; the environment overrides its `settings.env`.

    `TRIALLY_INSTANCE` in the environment overrides `instance`; the default is `INSTANCE`. Raises
    `SettingsError` with a sentence for each setting that is invalid or, in production, misspelt.
    """
    named = os.environ.get(variable_of("instance")) or instance
    instance = Path(named or INSTANCE)
    asked = os.environ.get(DEVELOPMENT)
    development = _parse(asked, DEVELOPMENT, bool, is_secret=False) if asked else False
    variables = _read_variables(instance, reads_file=development, is_named=bool(named))
    known = [variable_of(field.name) for field in fields(Settings)]
    report_unknown(variables, known, PREFIX, development=development)
    types = get_type_hints(Settings, include_extras=True)
    values: dict[str, Any] = {"instance": instance, "development": development}
    problems = []
    for field in fields(Settings):
        variable = variable_of(field.name)
        text = variables.get(variable)
        if field.name in values or text is None:
            continue
        try:
            values[field.name] = _parse(text, variable, types[field.name], is_secret=not field.repr)
        except SettingsError as error:
            problems.append(str(error))
    if problems:
        raise SettingsError(" ".join(problems))
    values.setdefault("secret_key", "")
    values.setdefault("dev_issuer", development)
    if development:
        values.setdefault("public_url", read_served_url(instance))
        values.setdefault("cors_origins", WEB_APP_ORIGINS)
    settings = Settings(**values)
    settings = replace(settings, public_url=settings.public_url.rstrip("/"))
    refuse_unsafe(settings)
    return settings


def is_configured(name: str, settings: Settings) -> bool:
    """Return whether the environment or `settings.env` has a value for a setting."""
    named = bool(os.environ.get(variable_of("instance")))
    variables = _read_variables(settings.instance, reads_file=settings.development, is_named=named)
    return variables.get(variable_of(name)) is not None


def variable_of(name: str) -> str:
    """Return the environment variable of a setting: `log_level` is read from TRIALLY_LOG_LEVEL."""
    return PREFIX + name.upper()


def write_development_settings(instance: Path = INSTANCE) -> Path:
    """Create `instance/settings.env` for a developer's machine, if it does not exist yet."""
    path = instance / SETTINGS_FILE
    if not path.exists():
        create_file(
            path,
            "# Settings of a developer's machine. Only processes with TRIALLY_DEVELOPMENT=1 in\n"
            "# their environment read this file, and the environment overrides it. The next line\n"
            "# marks the file as a developer's. See docs/settings.md.\n"
            "TRIALLY_DEVELOPMENT=1\n"
            f"TRIALLY_SECRET_KEY={secrets.token_urlsafe(48)}\n",
        )
    return path


def _read_variables(
    instance: Path, *, reads_file: bool, is_named: bool
) -> Mapping[str, str | None]:
    """Return the environment, completed by the instance's `settings.env` if it may be read."""
    file = instance / SETTINGS_FILE
    if reads_file or (is_named and not _is_of_developer(file)):
        return ChainMap({**os.environ}, dotenv_values(file))
    return os.environ


def _is_of_developer(file: Path) -> bool:
    """Return whether a file of settings turns development on, as a developer's file does."""
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    return not _OFF.issuperset(value.lower() for value in _DEVELOPMENT_LINE.findall(text))


def _parse(text: str, variable: str, hint: Any, *, is_secret: bool) -> Any:
    """Return the value of a variable by the type and rule of its field."""
    is_annotated = get_origin(hint) is Annotated
    kind = hint.__origin__ if is_annotated else hint
    rules: tuple[Rule, ...] = hint.__metadata__ if is_annotated else ()
    if kind == URL | None:
        return with_driver(text, variable) if text else None
    words, parse = _PARSERS[kind]
    try:
        value = parse(text)
    except ValueError:
        is_valid = False
    else:
        is_valid = value is None or all(rule.accepts(value) for rule in rules)
    if is_valid:
        return value
    problem = "is invalid" if is_secret else f"is {text!r}"
    expected = " ".join([words, *(rule.words for rule in rules)]).strip()
    raise SettingsError(f"{variable} {problem}. Set it to {expected}.")


def _parse_bool(text: str) -> bool:
    word = text.lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(text)
    return word in _TRUE


def _parse_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _parse_list(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",")) if text else ()


def _parse_pairs(text: str) -> dict[str, str]:
    pairs = (item.split("=", 1) for item in text.split(",")) if text else ()
    return {name.strip(): value.strip() for name, value in pairs}


_PARSERS: dict[Any, tuple[str, Callable[[str], Any]]] = {
    bool: ("true or false", _parse_bool),
    int: ("a whole number", int),
    int | None: ("a whole number", lambda text: int(text) if text else None),
    float: ("a number", _parse_float),
    str: ("", str),
    str | None: ("", lambda text: text or None),
    Path | None: ("a path", lambda text: Path(text) if text else None),
    tuple[str, ...]: ("", _parse_list),
    dict[str, str]: ("pairs such as name=value,name=value", _parse_pairs),
}
"""By type: the words for it in an error, and the function that parses it.

No library parses them: the one for environment variables loads marshmallow, in 40 ms.
"""
