"""Read the settings from the environment and from `settings.env` of the instance.

Only the environment of this process turns development on. And a file is read only if the process
asks for it: a developer's file by `TRIALLY_DEVELOPMENT`, any other by `TRIALLY_INSTANCE`. So a
production process next to a developer's file takes nothing from it.
"""

import os
import re
import secrets
from collections.abc import Callable, Collection
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any, get_origin, get_type_hints

from dotenv import dotenv_values
from environs import Env, EnvError
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
_OFF = frozenset({"", "0", "f", "false", "n", "no", "off"})


def read_settings(instance: Path | None = None) -> Settings:
    """Return the settings of an instance; the environment overrides its `settings.env`.

    `TRIALLY_INSTANCE` in the environment overrides `instance`; the default is `INSTANCE`. Raises
    `SettingsError` with a sentence for each setting that is invalid or, in production, misspelt.
    """
    named = os.environ.get(variable_of("instance")) or instance
    instance = Path(named or INSTANCE)
    development = _parse(Env(), DEVELOPMENT, bool, is_secret=False) if _asks(DEVELOPMENT) else False
    env = _read_variables(instance, reads_file=development, is_named=bool(named))
    known = [variable_of(field.name) for field in fields(Settings)]
    report_unknown({*os.environ, *env.names_in_file}, known, PREFIX, development=development)
    types = get_type_hints(Settings, include_extras=True)
    values: dict[str, Any] = {"instance": instance, "development": development}
    problems = []
    for field in fields(Settings):
        variable = variable_of(field.name)
        if field.name in values or env.str(variable, default=None) is None:
            continue
        try:
            values[field.name] = _parse(env, variable, types[field.name], is_secret=not field.repr)
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
    env = _read_variables(settings.instance, reads_file=settings.development, is_named=named)
    return env.str(variable_of(name), default=None) is not None


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


class _Variables(Env):
    """The environment, completed by a file."""

    names_in_file: Collection[str] = ()


def _read_variables(instance: Path, *, reads_file: bool, is_named: bool) -> _Variables:
    """Return the environment, completed by the instance's `settings.env` if it may be read."""
    env, file = _Variables(), instance / SETTINGS_FILE
    if reads_file or (is_named and not _is_of_developer(file)):
        env.read_env(str(file), recurse=False)
        env.names_in_file = dotenv_values(file).keys()
    return env


def _asks(variable: str) -> bool:
    return bool(os.environ.get(variable))


def _is_of_developer(file: Path) -> bool:
    """Return whether a file of settings turns development on, as a developer's file does."""
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    return not _OFF.issuperset(value.lower() for value in _DEVELOPMENT_LINE.findall(text))


def _parse(env: Env, variable: str, hint: Any, *, is_secret: bool) -> Any:
    """Return the value of a variable by the type and rule of its field."""
    is_annotated = get_origin(hint) is Annotated
    kind = hint.__origin__ if is_annotated else hint
    rules: tuple[Rule, ...] = hint.__metadata__ if is_annotated else ()
    words, parse = _PARSERS[kind]
    try:
        value = parse(env, variable)
    except (EnvError, ValueError):
        is_valid = False
    else:
        is_valid = value is None or all(rule.accepts(value) for rule in rules)
    if is_valid:
        return value
    problem = "is invalid" if is_secret else f"is {env.str(variable)!r}"
    expected = " ".join([words, *(rule.words for rule in rules)]).strip()
    raise SettingsError(f"{variable} {problem}. Set it to {expected}.")


def _parse_url(env: Env, variable: str) -> URL | None:
    text = env.str(variable)
    return with_driver(text, variable) if text else None


def _parse_path(env: Env, variable: str) -> Path | None:
    text = env.str(variable)
    return Path(text) if text else None


def _parse_list(env: Env, variable: str) -> tuple[str, ...]:
    items: list[str] = env.list(variable)
    return tuple(item.strip() for item in items)


_PARSERS: dict[Any, tuple[str, Callable[[Env, str], Any]]] = {
    bool: ("true or false", lambda env, variable: env.bool(variable)),
    int: ("a whole number", lambda env, variable: env.int(variable)),
    int | None: (
        "a whole number",
        lambda env, variable: env.int(variable) if env.str(variable) else None,
    ),
    float: ("a number", lambda env, variable: env.float(variable)),
    str: ("", lambda env, variable: env.str(variable)),
    str | None: ("", lambda env, variable: env.str(variable) or None),
    Path | None: ("a path", _parse_path),
    URL | None: ("a database URL", _parse_url),
    tuple[str, ...]: ("", _parse_list),
    dict[str, str]: (
        "pairs such as name=value,name=value",
        lambda env, variable: env.dict(variable),
    ),
}
"""By type: the words for it in an error, and the function that parses it."""
