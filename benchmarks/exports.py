"""Export a tenant with a million clinical facts in all formats, and measure time and memory."""

from typing import Any

from benchmarks.fact_seeding import fill_with_facts
from benchmarks.installation import installation
from benchmarks.measured_commands import Programs
from benchmarks.report import make_parser, print_outcome
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle.provisioning import create_tenant

LARGE = "large"
BARS = {"peak_megabytes": 200}


def main() -> None:
    parser = make_parser(__spec__.name, rounds=1, seconds=900)
    parser.add_argument("--rows", type=int, default=1_000_000, help="facts (default: %(default)s)")
    options = parser.parse_args()
    with installation() as installed:
        with installed.app.app_context():
            fill_with_facts(create_tenant(LARGE, LARGE, tier=Tier.POOLED_ROWS), options.rows)
        folder = installed.settings.instance / "exported"
        programs = Programs(installed.environment, installed.postmaster_id)
        measured = programs.flask("tenants", "export", LARGE, "--to", str(folder))
        size = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
    figures: dict[str, Any] = {
        "bars": BARS,
        "rows": options.rows,
        "bytes": size,
        **{name: value for name, value in vars(measured).items() if name != "printed"},
    }
    text = (
        f"export of {options.rows:,} facts, {size / 1e6:,.0f} MB: {measured.seconds:.1f} s, CPU"
        f" {measured.cpu_seconds:.1f} s and PostgreSQL {measured.postgres_cpu_seconds:.1f} s, at"
        f" most {measured.peak_megabytes:.0f} MB"
    )
    print_outcome(text, figures, as_json=options.json)


if __name__ == "__main__":
    main()
