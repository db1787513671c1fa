"""Compare trially with itself without the audit log: read one patient, list 50, create one."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from flask import Flask

from benchmarks.installation import installation, settings_of_environment
from benchmarks.processes import gunicorn
from benchmarks.report import make_parser, print_outcome
from benchmarks.requests import Bench, compare
from benchmarks.seeding import seed
from trially import create_app, request_cycle
from trially.database import rows
from trially.http import answering
from trially.request_cycle import settling
from trially.tenancy.catalog_choices import Tier

BAR = 0.92


def main() -> None:
    parser = make_parser(__spec__.name, rounds=25, seconds=0.5)
    parser.add_argument("--tier", choices=[*Tier], default=Tier.DEDICATED_DATABASE)
    options = parser.parse_args()
    with installation() as installed:
        seeded = seed(installed.app, 1, Tier(options.tier))
        with (
            gunicorn("benchmarks.twin:trially_app()", installed.environment) as audited,
            gunicorn("benchmarks.audit:unaudited_app()", installed.environment) as unaudited,
        ):
            servers = {"audited": audited, "unaudited": unaudited}
            samples = Bench(installed, seeded, servers).run(options.rounds, options.seconds)
    summary = {kind: compare(of, "audited", "unaudited") for kind, of in samples.items()}
    parts = [
        f"{kind} {figures['ratio']:.2f} (CPU {figures['cpu_ratio']:.2f}:"
        + " against".join(
            f" {figures[name]['application_us']:,.0f} µs + {figures[name]['postgres_us']:,.0f}"
            for name in servers
        )
        + ")"
        for kind, figures in summary.items()
    ]
    print_outcome(
        f"audit: {', '.join(parts)} of the same without audit",
        {"bar": BAR, "tier": options.tier, **summary},
        as_json=options.json,
    )


def unaudited_app() -> Flask:
    """Return trially without audit. Run it in its own process: it replaces functions of modules."""
    app = create_app(settings_of_environment())

    def do_nothing(*_arguments: Any, **_named: Any) -> None:
        pass

    replacements: tuple[tuple[ModuleType, str, Callable[..., Any]], ...] = (
        (answering, "note_disclosed", do_nothing),
        (answering, "note_criteria", do_nothing),
        (rows, "note_change", do_nothing),
        (request_cycle, "stranger", do_nothing),
        (request_cycle, "name_caller", do_nothing),
        (settling, "set_outcome", do_nothing),
    )
    for module, name, replacement in replacements:
        if not hasattr(module, name):
            raise SystemExit(f"{module.__name__} does not use {name}. Adapt {__name__}.")
        setattr(module, name, replacement)
    return app


if __name__ == "__main__":
    main()
