"""Limits and features as operators write them in options."""

import datetime as dt
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

import click

from trially.tenancy.entitlements.features import Feature
from trially.tenancy.entitlements.limits import LARGEST, Limit
from trially.tenancy.lifecycle.plans.managing import ALL

UNLIMITED = "unlimited"
Name = TypeVar("Name", bound=StrEnum)


class LimitOption(click.ParamType[tuple[Limit, int | None]]):
    """A limit and its number, such as `patients=1000`, or `patients=unlimited`."""

    name = "name=number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Limit, int | None]:
        """Return the limit and its number; None for unlimited."""
        name, _, number = str(value).partition("=")
        if name not in set(Limit):
            self.fail(f"{name!r} is no limit. Choose from {', '.join(Limit)}.", param, ctx)
        if number == UNLIMITED:
            return Limit(name), None
        is_number = number.isascii() and number.isdecimal() and len(number) <= len(str(LARGEST))
        if not is_number or int(number) > LARGEST:
            self.fail(
                f"{number!r} is no number for {name}. Write {name}=1000, or {name}={UNLIMITED}.",
                param,
                ctx,
            )
        return Limit(name), int(number)


class FeatureOption(click.ParamType[tuple[str, bool]]):
    """A feature and whether it is included, such as `matching=on`."""

    name = "name=on|off"

    def __init__(self, *others: str) -> None:
        self._names = (*Feature, *others)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, bool]:
        """Return the name and whether it is on."""
        name, _, state = str(value).partition("=")
        if name not in self._names:
            self.fail(f"{name!r} is no feature. Choose from {', '.join(self._names)}.", param, ctx)
        if state not in ("on", "off"):
            self.fail(f"Write {name}=on or {name}=off, not {value!r}.", param, ctx)
        return name, state == "on"


limit_option = click.option(
    "--limit",
    "limits",
    type=LimitOption(),
    multiple=True,
    help="A limit, such as patients=1000 or patients=unlimited. Can be repeated.",
)
plan_feature_option = click.option(
    "--feature",
    "features",
    type=FeatureOption(ALL),
    multiple=True,
    help="A feature, such as matching=on; all=on for all, those of later versions too. Can be"
    " repeated.",
)


def tenant_plan_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that change what one tenant may have."""
    options: tuple[Callable[[Any], Any], ...] = (
        click.option("--plan", help="The name of its plan."),
        limit_option,
        click.option(
            "--feature",
            "features",
            type=FeatureOption(),
            multiple=True,
            help="A feature that it has otherwise than its plan, such as matching=on. Can be"
            " repeated.",
        ),
        click.option(
            "--remove",
            "removed",
            type=click.Choice([each.value for each in (*Limit, *Feature)]),
            multiple=True,
            help="A limit or feature that is to be that of its plan again. Can be repeated.",
        ),
        click.option("--reason", help="Why it gets the limit or feature. Name no patient."),
        click.option(
            "--until",
            type=click.DateTime(["%Y-%m-%d"]),
            help="The day, in UTC, at whose beginning the limit or feature ends. By default never.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def in_utc(until: dt.datetime | None) -> dt.datetime | None:
    """Return the beginning of a day in UTC."""
    return None if until is None else until.replace(tzinfo=dt.UTC)


def describe_limits(limits: Mapping[str, Any]) -> str:
    """Return limits for people: `patients 1,000, members unlimited`."""
    return ", ".join(
        f"{name} {UNLIMITED if most is None else f'{most:,}'}" for name, most in limits.items()
    )


def describe_use(limits: Mapping[str, Mapping[str, Any]]) -> str:
    """Return limits with their use for people: `patients 17 of 1,000, members 3 of unlimited`."""
    parts = []
    for name, limit in limits.items():
        most = UNLIMITED if limit["most"] is None else f"{limit['most']:,}"
        parts.append(
            f"{name} " + (most if limit["used"] is None else f"{limit['used']:,} of {most}")
        )
    return ", ".join(parts)
