"""Verify the files of tools/export_audit.sql with Python's own library; see docs/audit.md.

python verify_audit.py TENANT_ID [WITNESS_FILE] [--pruned=YEAR]…
The files of tools/export_operators.sql have `-` instead of a tenant's id.
"""

import json
import sys
from datetime import UTC, datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path
from uuid import UUID

tenant, *options = sys.argv[1:]
log = "operator_action -" if tenant == "-" else f"audit_record {tenant}"
pruned = {int(each.removeprefix("--pruned=")) for each in options if each.startswith("--pruned=")}
files = [Path(each) for each in options if not each.startswith("--")]
entries = [json.loads(line) for each in files for line in each.read_text().splitlines()]
witness = {entry["number"]: entry["hash"] for entry in entries}
records = Path("records.tsv").open("rb")  # noqa: SIM115
expected, chain = 1, "00" * 32
for row in Path("seals.tsv").read_text("utf-8").splitlines():
    number, previous, columns, first, last, count, digest, checksums, stored = row.split("\t")
    header = f"trially-seal 1\nlog {log}\nnumber {number}\nprevious {previous}\n"
    header += f"columns {columns}\nfirst {first}\nlast {last}\ncount {count}\nrecords {digest}\n"
    header += f"checksums {sha256(bytes.fromhex(checksums)).hexdigest()}\n"
    if (int(number), previous, sha256(header.encode()).hexdigest()) != (expected, chain, stored):
        sys.exit(f"The seal {expected} is missing, was changed, or is not of this chain.")
    if witness.pop(expected, stored) != stored:
        sys.exit(f"The seal {expected} has another hash than the witness says.")
    expected, chain = expected + 1, stored
    if datetime.fromtimestamp((UUID(first.split(" ")[2]).int >> 80) / 1000, UTC).year in pruned:
        continue
    lines = list(islice(records, int(count)))
    for place, line in enumerate([*lines, b""][: int(count)]):
        if sha256(line).hexdigest()[:16] != checksums[place * 16 : place * 16 + 16]:
            sys.exit(f"Record {place + 1} of the seal {number} is missing, or differs: {line!r}")
    if sha256(b"".join(lines)).hexdigest() != digest:
        sys.exit(f"The records of the seal {number} were changed.")
if witness:
    sys.exit(f"The seal {min(witness)} is missing: the tail of the log was cut.")
for row in Path("forms.json").read_text("utf-8").splitlines():
    form_id, *form = json.loads(row)
    content = json.dumps(form, ensure_ascii=False, separators=(",", ":")).encode()
    number_of_form = int.from_bytes(sha256(content).digest()[:16]) & ~(0xF << 76 | 3 << 62)
    if UUID(int=number_of_form | 8 << 76 | 2 << 62) != UUID(form_id):
        sys.exit(f"The form {form_id} was changed.")
print(f"{expected - 1} seals and their records are intact.")  # noqa: T201
