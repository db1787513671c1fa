"""Compare a tenant that encrypts its fields with one that does not: read one, list 50, create."""

from benchmarks.installation import Installation, installation
from benchmarks.processes import WebServer, gunicorn
from benchmarks.report import make_parser, print_outcome
from benchmarks.requests import Bench, Sample, compare
from benchmarks.seeding import Seeded, seed
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.encrypting.operation import change_fields, plan_change

ENCRYPTED, READABLE = "encrypted", "readable"


def main() -> None:
    parser = make_parser(__spec__.name, rounds=15, seconds=0.5)
    parser.add_argument("--tier", choices=[*Tier], default=Tier.DEDICATED_DATABASE)
    options = parser.parse_args()
    with installation() as installed:
        seeded = seed(installed.app, 2, Tier(options.tier))
        with installed.app.app_context():
            change_fields(plan_change("tenant-0", is_on=True))
        with gunicorn("benchmarks.twin:trially_app()", installed.environment) as server:
            bench = FieldBench(installed, seeded, server)
            samples = bench.run(options.rounds, options.seconds)
    summary = {kind: compare(of, ENCRYPTED, READABLE) for kind, of in samples.items()}
    parts = [
        f"{kind} {figures['ratio']:.2f} (CPU {figures['cpu_ratio']:.2f}:"
        + " against".join(
            f" {figures[name]['application_us']:,.0f} µs + {figures[name]['postgres_us']:,.0f}"
            for name in (ENCRYPTED, READABLE)
        )
        + f"; p50 {figures[ENCRYPTED]['median_ms']:.1f} ms"
        + f" against {figures[READABLE]['median_ms']:.1f})"
        for kind, figures in summary.items()
    ]
    print_outcome(
        f"fields: {', '.join(parts)} of a tenant without encryption",
        {"tier": options.tier, **summary},
        as_json=options.json,
    )


class FieldBench(Bench):
    """Loads one server with requests of two tenants, whose names stand for servers."""

    def __init__(self, installed: Installation, seeded: Seeded, server: WebServer) -> None:
        names = (ENCRYPTED, READABLE)
        self._of = {
            name: Bench(installed, Seeded([token], seeded.patient_ids), {name: server})
            for name, token in zip(names, seeded.tokens, strict=True)
        }
        super().__init__(installed, seeded, dict.fromkeys(names, server))

    def _burst(self, kind: str, name: str, seconds: float) -> Sample:
        return self._of[name]._burst(kind, name, seconds)


if __name__ == "__main__":
    main()
