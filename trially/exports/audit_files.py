"""Write the audit log as `tools/verify_audit.py` reads it."""

from psycopg2 import sql

from trially.audit.tenant_log import COLUMNS
from trially.database.snapshots import Snapshot
from trially.exports.packages import Package
from trially.exports.reading import Reader
from trially.seals.log import SESSION

_SEALS = """
SELECT number, encode(previous, 'hex'), array_to_string(columns, ','), array_to_string(first, ' '),
    array_to_string(last, ' '), count, encode(records, 'hex'), encode(checksums, 'hex'),
    encode(hash, 'hex')
FROM audit_seal WHERE tenant_id = {tenant} ORDER BY number
"""
_RECORDS = """
SELECT {columns} FROM audit_record WHERE tenant_id = {tenant} ORDER BY epoch, transaction_id, id
"""
_FORMS = """
SELECT json_build_array(id, route, action, purpose, phi_level, fields) FROM audit_form
WHERE tenant_id = {tenant}
"""
_UNQUOTED = " (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')"


def write_audit(package: Package, reader: Reader) -> None:
    """Write the records, the seals and the forms. The manifest says how many are in each file."""
    columns = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
    reader.snapshot.run(SESSION)
    for name, statement, options in (
        ("seals.tsv", _SEALS, ""),
        ("records.tsv", _RECORDS, ""),
        ("forms.json", _FORMS, _UNQUOTED),
    ):
        rows = sql.SQL(statement).format(tenant=reader.tenant, columns=columns)
        _copy(package, reader.snapshot, f"audit/{name}", rows, options)


def _copy(
    package: Package, snapshot: Snapshot, path: str, rows: sql.Composable, options: str
) -> None:
    with package.file(path) as file:
        snapshot.copy(rows, file, options)
