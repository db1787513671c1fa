"""Names of a patient as clients read them."""

from marshmallow import Schema, fields

from trially.database.rows import table_of
from trially.http.disclosures import IN_PATH
from trially.http.fields import EXAMPLE
from trially.phi import IDENTIFIER, PLAIN
from trially.recruiting.search.model import PatientName
from trially.resources.fields import text

columns = table_of(PatientName).c


class NameSchema(Schema):
    """One name of a patient, as the source sent it."""

    subjects = (IN_PATH,)

    id = fields.UUID(dump_only=True, metadata=PLAIN)
    position = fields.Integer(dump_only=True, metadata=PLAIN)
    use = text(columns.use, dump_only=True, allow_none=True, example="maiden", metadata=IDENTIFIER)
    given_name = text(
        columns.given_name, dump_only=True, allow_none=True, example="Mei", metadata=IDENTIFIER
    )
    family_name = text(
        columns.family_name, dump_only=True, allow_none=True, example="Chen", metadata=IDENTIFIER
    )
    full_name = text(
        columns.full_name,
        dump_only=True,
        allow_none=True,
        metadata=IDENTIFIER
        | {EXAMPLE: None, "description": "The whole name, if the source sent no parts."},
    )
    period_start = text(
        columns.period_start, dump_only=True, allow_none=True, example="1987", metadata=IDENTIFIER
    )
    period_end = text(
        columns.period_end,
        dump_only=True,
        allow_none=True,
        example="2010-05-17",
        metadata=IDENTIFIER,
    )
