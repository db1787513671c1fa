"""`flask keys sign-again`: sign reports anew while the secret key is changed."""

from pathlib import Path

import click
import orjson

from trially.keys import current_keys
from trially.proving.reports import sign, verify
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.lifecycle.key_use import recorded_keys
from trially.terminal import NOTHING, json_option, print_items


@catalog_command("sign-again", loses=NOTHING)
@click.argument(
    "reports",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@json_option
def sign_again(reports: tuple[Path, ...], *, as_json: bool) -> None:
    """Verify the REPORTS of `tenants prove`, and sign them with the new secret key.

    TRIALLY_PREVIOUS_SECRET_KEY must still be set. Do not sign reports again after the previous key
    has leaked: whoever has it can sign any report.

    \b
    Example:
      flask keys sign-again proofs/*.json
    """  # noqa: D301
    newest = current_keys().newest
    if not recorded_keys().get(newest):
        raise click.ClickException("The rotation has not begun. Run `flask keys rotate` first.")
    # All are verified before the first is written.
    verified = {path: verify(path.read_bytes(), *current_keys().accepted) for path in reports}
    for path, report in verified.items():
        document = sign(report, current_keys().in_use)
        written = path.with_name(f".{path.name}.new")
        written.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
        written.replace(path)
    items = [
        {"report": str(path), "proved_at": each["proved_at"]} for path, each in verified.items()
    ]
    print_items(items, ("report", "proved_at"), as_json=as_json)
