"""Write what runs a silo: an instance of the app that is pinned to one tenant, and its router.

`deploy/silo/` has the files, as templates.
"""

import os
import re
import secrets
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from trially.config import ROOT, current_settings, with_driver
from trially.embedded_postgres.cluster import DEFAULT_SETTINGS
from trially.errors import OperatorError
from trially.tenancy.catalog import Tenant
from trially.tenancy.directory import UnknownTenantError
from trially.tenancy.lifecycle.status import get_tenant
from trially.tenancy.names import check_slug
from trially.tenancy.pinning import PinnedError

TEMPLATES = ROOT / "deploy" / "silo"
SETTINGS_FILE = "settings.env"
PASSWORD_FILE = "postgres.env"  # noqa: S105
SECRET_FILES = (SETTINGS_FILE, PASSWORD_FILE)
ISSUER_SETTINGS = ("TRIALLY_ISSUERS", "TRIALLY_ISSUER_PROFILES")

_HOST_NAME = re.compile(r"(?=.{4,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*\Z")
_ADDRESS = re.compile(r"[a-z0-9.-]+:[0-9]{1,5}\Z")

# What means the same without quotes to systemd, Docker, python-dotenv and YAML.
_PLAIN_VALUE = re.compile(r"[A-Za-z0-9_.,:;/@&?%=+~!*()\[\]-]*\Z")
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./@=+~-]*\Z")


class SiloOptionError(OperatorError):
    """A silo cannot be written as it is asked for."""


class SiloFilesError(OperatorError):
    """There are files that would be overwritten."""


@dataclass(frozen=True)
class SiloPlan:
    """What is to be written, and where."""

    slug: str
    directory: Path
    port: int
    """Where the silo listens, on its machine's loopback."""

    shared: str
    """Where the router finds the shared installation: host and port."""

    name: str | None = None
    """The organisation's; by default what it is called here, or its slug."""

    host_name: str | None = None
    """A name at which the router has no one but this tenant."""

    database_url: str | None = None
    """The administrator's URL of the silo's server; without one, the compose file brings it."""


@dataclass(frozen=True)
class SiloFiles:
    """What has been written."""

    written: Sequence[str]
    kept: Sequence[str]
    """Secrets that were there: they are never overwritten."""

    to_fill_in: Sequence[str]
    """Settings that this installation has not got."""

    is_here: bool
    """Whether this installation has a tenant that is, or was, called so."""


def write_silo(plan: SiloPlan, *, is_forced: bool = False) -> SiloFiles:
    """Write what runs a silo, and the router's files.

    Raises `InvalidSlugError`, `PinnedError`, `SiloOptionError` or `SettingsError`; `SiloFilesError`
    if there are such files already, unless `is_forced`: then those that are not secret are
    written anew. Nothing is written before an error.
    """
    check_slug(plan.slug)
    if current_settings().pinned_tenant:
        raise PinnedError("This instance is a silo itself: the shared installation writes others.")
    kept = [name for name in SECRET_FILES if (plan.directory / name).exists()]
    inherited = _inherited_settings(plan)
    _check_options(plan, inherited, kept)
    to_fill_in = [] if any(name in inherited for name in ISSUER_SETTINGS) else [ISSUER_SETTINGS[0]]
    tenant, has_own_server = _find_tenant(plan.slug), _has_own_server(plan, kept)
    texts = _render(
        _templates(plan.slug, has_own_server=has_own_server),
        **vars(plan) | {"name": shlex.quote(plan.name or (tenant.name if tenant else plan.slug))},
        has_own_server=has_own_server,
        inherited=inherited,
        to_fill_in=to_fill_in,
        is_here=tenant is not None,
    )
    there = [name for name in texts if (plan.directory / name).exists()]
    if there and not is_forced:
        raise SiloFilesError(f"{there[0]} is there: --force writes anew what is not secret.")
    if kept and not _is_home_of(plan.slug, plan.directory):
        raise SiloFilesError(f"{plan.directory} is not the folder of {plan.slug}'s silo.")
    written = [name for name in texts if name not in kept]
    for name in written:
        _write(plan.directory / name, texts[name], is_secret=name in SECRET_FILES)
    return SiloFiles(written, kept, to_fill_in, is_here=tenant is not None)


def _inherited_settings(plan: SiloPlan) -> Mapping[str, str]:
    """Return what the silo has from this installation: whom it trusts, and where it is reached."""
    settings = current_settings()
    copy = _profiles_copy()
    wanted = {
        "TRIALLY_PUBLIC_URL": f"https://{plan.host_name}"
        if plan.host_name
        else settings.public_url,
        "TRIALLY_ISSUERS": ",".join(settings.issuers),
        "TRIALLY_ISSUER_PROFILES": str(plan.directory / copy) if copy else "",
        "TRIALLY_AUDIENCES": ",".join(settings.audiences),
        "TRIALLY_ALGORITHMS": ",".join(settings.algorithms),
        "TRIALLY_TOKEN_TYPES": ",".join(settings.token_types),
        "TRIALLY_TENANT_CLAIM": settings.tenant_claim,
        "TRIALLY_CORS_ORIGINS": ",".join(settings.cors_origins),
    }
    return {name: value for name, value in wanted.items() if value}


def _profiles_copy() -> str | None:
    """Name the silo's copy of the issuers' profiles, if there are any."""
    profiles = current_settings().issuer_profiles
    return f"issuers{profiles.suffix}" if profiles else None


def _check_options(plan: SiloPlan, inherited: Mapping[str, str], kept: Sequence[str]) -> None:
    if plan.host_name and not _HOST_NAME.match(plan.host_name):
        raise SiloOptionError(f"{plan.host_name!r} is not a host name in lower case.")
    if not _ADDRESS.match(plan.shared):
        raise SiloOptionError(f"{plan.shared!r} is not a host and a port.")
    if plan.name and not plan.name.isprintable():
        raise SiloOptionError("The name has characters that cannot be printed.")
    if plan.database_url:
        with_driver(plan.database_url, "--database-url")
        if kept:
            raise SiloOptionError(f"{kept[0]} is never overwritten: change the URL in there.")
    for path in (plan.directory, ROOT, Path(sys.executable)):
        if not _PLAIN_PATH.match(str(path)):
            raise SiloOptionError(f"{path} has characters that would need quotes.")
    for name, value in {**inherited, "--database-url": plan.database_url or ""}.items():
        if not _PLAIN_VALUE.match(value):
            raise SiloOptionError(f"{name} has characters that would need quotes.")


def _find_tenant(slug: str) -> Tenant | None:
    try:
        return get_tenant(slug)
    except UnknownTenantError:
        return None


def _has_own_server(plan: SiloPlan, kept: Sequence[str]) -> bool:
    """Tell whether the compose file brings the server: as it did if there are secrets already."""
    return PASSWORD_FILE in kept if kept else plan.database_url is None


def _is_home_of(slug: str, directory: Path) -> bool:
    """Tell whether the secrets in a folder are those of this silo."""
    settings = directory / SETTINGS_FILE
    lines = settings.read_text("utf-8").splitlines() if settings.exists() else []
    return f"TRIALLY_PINNED_TENANT={slug}" in lines


def _templates(slug: str, *, has_own_server: bool) -> Mapping[str, str]:
    """Return the template of each file, by the file's name below the silo's folder."""
    return {
        SETTINGS_FILE: "settings.env",
        **({PASSWORD_FILE: "postgres.env"} if has_own_server else {}),
        "README.md": "README.md",
        "compose.yaml": "compose.yaml",
        f"trially-{slug}.service": "trially.service",
        "nginx/trially.conf": "nginx/trially.conf",
        "nginx/proxy.conf": "nginx/proxy.conf",
        f"nginx/silos/{slug}.conf": "nginx/silo.conf",
        f"nginx/silos/{slug}.map": "nginx/silo.map",
    }


def _render(names: Mapping[str, str], **values: Any) -> dict[str, str]:
    """Return the text of each file, by its name."""
    # Nothing here is HTML, and every value has been checked.
    templates = Environment(  # noqa: S701
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True
    )
    templates.globals = {
        "root": ROOT,
        "python": sys.executable,
        "flask": Path(sys.executable).with_name("flask"),
        "secret_key": secrets.token_urlsafe(48),
        "postgres_password": secrets.token_urlsafe(32),
        "postgres_settings": DEFAULT_SETTINGS,
        "issuer_profiles": _profiles_copy(),
    }
    texts = {name: templates.get_template(each).render(values) for name, each in names.items()}
    profiles, copy = current_settings().issuer_profiles, _profiles_copy()
    if profiles and copy:
        texts[copy] = profiles.read_text("utf-8")
    return texts


def _write(path: Path, text: str, *, is_secret: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Anew, so that root never writes through a link that somebody has put there.
    path.unlink(missing_ok=True)
    flags, mode = os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if is_secret else 0o644
    with os.fdopen(os.open(path, flags, mode), "w", encoding="utf-8") as file:
        file.write(text)
