"""Write the files of a silo: an instance of the app that is pinned to one tenant, and its router.

The templates of the files are in `deploy/silo/`.
"""

import os
import re
import secrets
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from trially.config import ROOT, current_settings, with_driver
from trially.embedded_postgres.cluster import DEFAULT_SETTINGS
from trially.errors import OperatorError
from trially.keys.providers import UnknownProviderError, check_provider
from trially.tenancy.catalog import Tenant
from trially.tenancy.directory import UnknownTenantError
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.lifecycle.silo_folders import (
    SETTINGS_FILE,
    remember_folder,
    slug_of_folder,
)
from trially.tenancy.names import check_slug
from trially.tenancy.pinning import PinnedError

TEMPLATES = ROOT / "deploy" / "silo"
PASSWORD_FILE = "postgres.env"  # noqa: S105
SECRET_FILES = (SETTINGS_FILE, PASSWORD_FILE)
MASTER_KEY = "TRIALLY_MASTER_KEY"
ISSUER_SETTINGS = ("TRIALLY_ISSUERS", "TRIALLY_ISSUER_PROFILES")

_HOST_NAME = re.compile(r"(?=.{4,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*\Z")
_ADDRESS = re.compile(r"[a-z0-9.-]+:[0-9]{1,5}\Z")

# Characters that need no quotes in systemd units, Docker, python-dotenv and YAML.
_PLAIN_VALUE = re.compile(r"[A-Za-z0-9_.,:;/@&?%=+~!*()\[\]-]*\Z")
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./@=+~-]*\Z")


class SiloOptionError(OperatorError):
    """An option of a silo is invalid."""


class SiloFilesError(OperatorError):
    """A file exists and would be overwritten, or the folder belongs to another silo."""


@dataclass(frozen=True)
class SiloPlan:
    """The options of a silo."""

    slug: str
    directory: Path
    port: int
    """The port that the silo listens on, on its machine's loopback."""

    shared: str
    """Host and port of the shared installation, for the router."""

    name: str | None = None
    """The organisation's name. By default its name in this installation, else its slug."""

    host_name: str | None = None
    """A host name that the router reserves for this tenant."""

    database_url: str | None = None
    """The administrator's URL of the silo's server. If None, the compose file starts a server."""

    master_key: str | None = None
    """The URL of the silo's own master key. If None, the operator fills it in."""


@dataclass(frozen=True)
class SiloFiles:
    """The result of `write_silo`."""

    written: Sequence[str]
    kept: Sequence[str]
    """Existing files with secrets. They are never overwritten."""

    to_fill_in: Sequence[str]
    """Settings that this installation cannot supply, so that the operator must set them."""

    is_here: bool
    """Whether the slug is a current or former slug of a tenant in this installation."""


def write_silo(plan: SiloPlan, *, is_forced: bool = False) -> SiloFiles:
    """Write the files of a silo and its router.

    With `is_forced`, existing files are overwritten, except secrets. All checks come before the
    first file is written. Raises `InvalidSlugError`, `PinnedError`, `SiloOptionError`,
    `SettingsError`, or `SiloFilesError` if a file exists and `is_forced` is False.
    """
    check_slug(plan.slug)
    if current_settings().pinned_tenant:
        raise PinnedError("This instance is a silo. Run the command in the shared installation.")
    kept = [name for name in SECRET_FILES if (plan.directory / name).exists()]
    inherited = _inherited_settings(plan)
    _check_options(plan, inherited, kept)
    to_fill_in = _missing_settings(plan, inherited)
    tenant, has_own_server = _find_tenant(plan.slug), _has_own_server(plan, kept)
    texts = _render(
        _templates(plan.slug, has_own_server=has_own_server),
        **vars(plan) | {"name": shlex.quote(plan.name or (tenant.name if tenant else plan.slug))},
        has_own_server=has_own_server,
        inherited=inherited,
        to_fill_in=to_fill_in,
        is_here=tenant is not None,
    )
    _refuse_overwriting(plan, texts, kept, is_forced=is_forced)
    written = [name for name in texts if name not in kept]
    remember_folder(plan.directory)
    for name in written:
        _write(plan.directory / name, texts[name], is_secret=name in SECRET_FILES)
    return SiloFiles(written, kept, to_fill_in, is_here=tenant is not None)


def _refuse_overwriting(
    plan: SiloPlan, names: Iterable[str], kept: Sequence[str], *, is_forced: bool
) -> None:
    """Raise `SiloFilesError` if a file exists, or if the secrets are those of another silo."""
    existing = [name for name in names if (plan.directory / name).exists()]
    if existing and not is_forced:
        raise SiloFilesError(
            f"{existing[0]} exists. Pass --force to overwrite all files except secrets."
        )
    if kept and slug_of_folder(plan.directory) != plan.slug:
        raise SiloFilesError(
            f"{plan.directory} holds the secrets of another silo. Choose another folder for"
            f" {plan.slug}."
        )


def _inherited_settings(plan: SiloPlan) -> Mapping[str, str]:
    """Return the silo's settings that come from this installation: issuers and public URL."""
    settings = current_settings()
    copy = _profiles_copy()
    values = {
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
    return {name: value for name, value in values.items() if value}


def _missing_settings(plan: SiloPlan, inherited: Mapping[str, str]) -> list[str]:
    """Return the settings that the operator must fill in."""
    has_issuers = any(name in inherited for name in ISSUER_SETTINGS)
    has_key = plan.master_key is not None or any(
        line.startswith(f"{MASTER_KEY}=") and not line.endswith("=")
        for line in _lines_of_settings(plan.directory)
    )
    return [
        *([] if has_issuers else [ISSUER_SETTINGS[0]]),
        *([] if has_key else [MASTER_KEY]),
    ]


def _profiles_copy() -> str | None:
    """Return the file name of the silo's issuer profiles, or None if there are none."""
    profiles = current_settings().issuer_profiles
    return f"issuers{profiles.suffix}" if profiles else None


def _check_options(plan: SiloPlan, inherited: Mapping[str, str], kept: Sequence[str]) -> None:
    if plan.host_name and not _HOST_NAME.match(plan.host_name):
        raise SiloOptionError(
            f"--host-name {plan.host_name!r} is not a lower-case host name with a dot."
        )
    if not _ADDRESS.match(plan.shared):
        raise SiloOptionError(f"--shared {plan.shared!r} is not of the form host:port.")
    if plan.name and not plan.name.isprintable():
        raise SiloOptionError("--name contains characters that cannot be printed.")
    if plan.database_url:
        with_driver(plan.database_url, "--database-url")
        if kept:
            raise SiloOptionError(
                f"{kept[0]} exists and is never overwritten. Change TRIALLY_DATABASE_URL in it"
                " instead of passing --database-url."
            )
    if plan.master_key:
        _check_master_key(plan.master_key, kept)
    for path in (plan.directory, ROOT, Path(sys.executable)):
        if not _PLAIN_PATH.match(str(path)):
            raise SiloOptionError(f"The path {path} contains characters that need quotes.")
    urls = {"--database-url": plan.database_url or "", "--master-key": plan.master_key or ""}
    for name, value in {**inherited, **urls}.items():
        if not _PLAIN_VALUE.match(value):
            raise SiloOptionError(f"The value of {name} contains characters that need quotes.")


def _check_master_key(url: str, kept: Sequence[str]) -> None:
    """Raise `SiloOptionError` for a URL that names no key, or a key of this installation."""
    settings = current_settings()
    if kept:
        raise SiloOptionError(
            f"{kept[0]} exists and is never overwritten. Change {MASTER_KEY} in it instead of"
            " passing --master-key."
        )
    if url in (settings.master_key, settings.previous_master_key):
        raise SiloOptionError(
            "--master-key is the master key of this installation. A silo has a key of its own, so"
            " that neither can read the other's data keys."
        )
    try:
        check_provider(url)
    except UnknownProviderError as error:
        raise SiloOptionError(f"--master-key cannot be used. {error}") from None


def _find_tenant(slug: str) -> Tenant | None:
    try:
        return get_tenant(slug)
    except UnknownTenantError:
        return None


def _has_own_server(plan: SiloPlan, kept: Sequence[str]) -> bool:
    """Return whether the compose file starts the server. Existing secrets decide it."""
    return PASSWORD_FILE in kept if kept else plan.database_url is None


def _lines_of_settings(directory: Path) -> Sequence[str]:
    settings = directory / SETTINGS_FILE
    return settings.read_text("utf-8").splitlines() if settings.exists() else []


def _templates(slug: str, *, has_own_server: bool) -> Mapping[str, str]:
    """Return the template of each file, by the file's path within the silo's folder."""
    return {
        SETTINGS_FILE: "settings.env",
        **({PASSWORD_FILE: "postgres.env"} if has_own_server else {}),
        "README.md": "README.md",
        "compose.yaml": "compose.yaml",
        f"trially-{slug}.service": "trially.service",
        f"trially-{slug}-worker.service": "trially-worker.service",
        "nginx/trially.conf": "nginx/trially.conf",
        "nginx/proxy.conf": "nginx/proxy.conf",
        f"nginx/silos/{slug}.conf": "nginx/silo.conf",
        f"nginx/silos/{slug}.map": "nginx/silo.map",
    }


def _render(names: Mapping[str, str], **values: Any) -> dict[str, str]:
    """Return the text of each file, by the file's path within the silo's folder."""
    # No file is HTML, and every value has been checked.
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
    # Removed and created again, so that root never writes through a symbolic link of another user.
    path.unlink(missing_ok=True)
    flags, mode = os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if is_secret else 0o644
    with os.fdopen(os.open(path, flags, mode), "w", encoding="utf-8") as file:
        file.write(text)
