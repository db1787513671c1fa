"""Read the tenants that a file lists, and find every fault before anything is created."""

import csv
import json
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trially.database.model import length_of
from trially.errors import OperatorError
from trially.tenancy.catalog import MembershipIndex, Tenant
from trially.tenancy.catalog_choices import TenantKind, Tier
from trially.tenancy.lifecycle.provisioning import TenantOptions, check_options
from trially.tenancy.names import check_line, check_slug
from trially.tenancy.pinning import refuse_unserved

LARGEST_FILE = 16 * 1024 * 1024
MOST_FAULTS = 20
"""The most faults that an error lists."""

COLUMNS = frozenset(
    {
        *("slug", "name", "kind", "tier", "server", "plan", "region", "time_zone"),
        *("owner", "owner_issuer"),
    }
)


class FaultyTenantError(OperatorError):
    """A file lists a tenant with a value that is missing or wrong."""


class FaultyFileError(OperatorError):
    """A file of tenants cannot be read, or has faults. Nothing was created."""


@dataclass(frozen=True)
class Wanted:
    """A tenant that a file lists."""

    place: str
    """Where the file lists it, such as `line 2`."""

    slug: str
    name: str
    options: TenantOptions


def read_tenants(path: Path) -> list[Wanted]:
    """Return the tenants of a CSV, JSON or TOML file.

    Raises `FaultyFileError` with all faults of its values, up to `MOST_FAULTS`.
    """
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise FaultyFileError("The name of the file must end with .csv, .json or .toml.")
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise FaultyFileError(f"The file has more than {LARGEST_FILE >> 20} MB.")
        rows = list(read(path.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise FaultyFileError(f"The file cannot be read: {error.strerror}.") from error
    except (ValueError, csv.Error, RecursionError) as error:
        raise FaultyFileError(f"The file is not valid: {error}") from error
    if not rows:
        raise FaultyFileError("The file lists no tenants.")
    return _check(rows)


def refuse_faults(faults: Sequence[str]) -> None:
    """Raise `FaultyFileError` if there are faults."""
    if not faults:
        return
    more = len(faults) - MOST_FAULTS
    lines = [*faults[:MOST_FAULTS], *([f"… and {more} more"] if more > 0 else [])]
    raise FaultyFileError(
        "Nothing was created, because the file has faults:\n"
        + "\n".join(f"  - {line}" for line in lines)
    )


Row = tuple[str, Any]
"""Where a tenant is listed, and its values."""


def _read_csv(text: str) -> Iterator[Row]:
    reader = csv.DictReader(text.splitlines(keepends=True), strict=True)
    for values in reader:
        if None in values or None in values.values():
            raise ValueError(f"Line {reader.line_num} has another number of cells than the first.")
        yield f"line {reader.line_num}", {name: cell or None for name, cell in values.items()}


def _read_json(text: str) -> Iterator[Row]:
    yield from _numbered(json.loads(text))


def _read_toml(text: str) -> Iterator[Row]:
    document = tomllib.loads(text)
    if set(document) - {"tenants"}:
        raise ValueError("Write each tenant as a table [[tenants]].")
    yield from _numbered(document.get("tenants", []))


_READERS: Mapping[str, Callable[[str], Iterator[Row]]] = {
    ".csv": _read_csv,
    ".json": _read_json,
    ".toml": _read_toml,
}


def _numbered(items: Any) -> Iterator[Row]:
    if not isinstance(items, list):
        raise FaultyFileError("The file must have a list of tenants.")
    for number, item in enumerate(items, start=1):
        yield f"tenant {number}", item


def _check(rows: Sequence[Row]) -> list[Wanted]:
    wanted: list[Wanted] = []
    faults: list[str] = []
    places: dict[str, str] = {}
    for place, values in rows:
        try:
            each = _parse(place, values)
        except OperatorError as error:
            faults.append(f"{place}: {error}")
            continue
        if each.slug in places:
            faults.append(f"{place}: {each.slug!r} is listed in {places[each.slug]} already.")
        places.setdefault(each.slug, place)
        wanted.append(each)
    refuse_faults(faults)
    return wanted


def _parse(place: str, values: Any) -> Wanted:
    """Return a tenant, or raise an `OperatorError` that says what is wrong."""
    if not isinstance(values, dict):
        raise FaultyTenantError("it is not a tenant with names and values.")
    given = {name: value for name, value in values.items() if value is not None}
    for name, value in given.items():
        if name not in COLUMNS:
            raise FaultyTenantError(f"{name!r} is unknown. Use {', '.join(sorted(COLUMNS))}.")
        if not isinstance(value, str):
            raise FaultyTenantError(f"{name} is not a text.")
    for name in ("slug", "name"):
        if name not in given:
            raise FaultyTenantError(f"{name} is missing.")
    slug, name, owner = check_slug(given.pop("slug")), given.pop("name"), given.pop("owner", None)
    issuer = given.pop("owner_issuer", None)
    options: TenantOptions = {
        **given,  # type: ignore[typeddict-item]
        "kind": _choice(TenantKind, "kind", given.get("kind", TenantKind.SITE)),
        "tier": _choice(Tier, "tier", given["tier"]) if "tier" in given else None,
    }
    check_options(name, options)
    refuse_unserved(slug)
    if owner is not None:
        check_line(owner, "The owner", length_of(MembershipIndex.subject))
        options["parameters"] = {"owner": owner, "owner_issuer": issuer}
    elif issuer is not None:
        raise FaultyTenantError("owner_issuer is given without owner.")
    return Wanted(place, slug, name, options)


def _choice(kind: Any, name: str, text: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        names = ", ".join(each.value for each in kind)
        raise FaultyTenantError(f"{name} is {text!r}. Choose from {names}.") from None


def differences(tenant: Tenant, wanted: Wanted) -> list[str]:
    """Return in what an existing tenant differs from what the file says of it."""
    existing = {
        "name": tenant.name,
        "kind": tenant.kind,
        "plan": tenant.plan,
        "region": tenant.region,
        "time_zone": tenant.time_zone,
        "tier": tenant.placement.tier,
        "server": tenant.placement.server.name,
    }
    said = {"name": wanted.name, **wanted.options}
    return [
        f"its {name} is {value!r}, not {said[name]!r}"
        for name, value in existing.items()
        if said.get(name) is not None and said[name] != value
    ]
