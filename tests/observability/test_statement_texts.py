"""What the log says of a statement holds no value, and tells whether the tenant is named."""

import pytest

from trially.observability.statement_texts import (
    TenantFilter,
    normalised,
    tenant_filter_of,
)
from trially.recruiting.patients.model import Patient
from trially.recruiting.sites.model import Site

TABLES = {Site.__tablename__, Patient.__tablename__}
PRESENT, MISSING, NOT_NEEDED = TenantFilter


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("SELECT  1,\n 2.5e3", "SELECT ?, ?"),
        ("SELECT 'Doe', E'O\\'Doe', 'it''s', ''", "SELECT ?, ?, ?, ?"),
        ("SELECT $$Doe$$, $a$Doe $$ Doe$a$, $1", "SELECT ?, ?, ?"),
        ("SELECT x /* Doe's */ FROM t1 -- Doe's\nWHERE y", "SELECT x FROM t1 WHERE y"),
        ("SELECT '--' AS \"it's\", '/*'", 'SELECT ? AS "it\'s", ?'),
        ("WHERE a = %(a_1)s AND b = %s", "WHERE a = ? AND b = ?"),
        ("WHERE a IN (%(a_1)s, %(a_2)s, 'Doe')", "WHERE a IN (?)"),
        ("VALUES (%(a__0)s, now()), (%(a__1)s, now())", "VALUES (?, now()), (?, now())"),
        ("VALUES (%s, 1), (%s, 2), (%s, 3)", "VALUES (?)"),
        ("SELECT left(%(a)s, 3)", "SELECT left(?, ?)"),
        ("SELECT 'Doe is cut", "SELECT ?"),
        ("SELECT $$Doe is cut", "SELECT ?"),
        ("SELECT /* Doe is cut", "SELECT"),
    ],
)
def test_no_value_stays(written: str, text: str) -> None:
    assert normalised(written) == text


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("SELECT * FROM site WHERE site.tenant_id = %(t)s", PRESENT),
        ('SELECT * FROM site AS s WHERE s."tenant_id" = CAST(%(t)s AS uuid)', PRESENT),
        ("SELECT * FROM site WHERE %(t)s = tenant_id", PRESENT),
        ("SELECT * FROM site WHERE (tenant_id, id) IN (%(a)s, %(b)s)", PRESENT),
        ("INSERT INTO site (id, tenant_id) VALUES (%(a)s, %(b)s)", PRESENT),
        ("UPDATE site SET name = '' WHERE tenant_id IN (%(a)s, %(b)s)", PRESENT),
        ("SELECT site.tenant_id FROM site", MISSING),
        ("SELECT 1 FROM site s JOIN visit v ON v.tenant_id = s.tenant_id", MISSING),
        ("SELECT 1 FROM a JOIN site b ON (a.tenant_id, a.id) = (b.tenant_id, b.a_id)", MISSING),
        ("SELECT 1 FROM tenant.patient WHERE name = 'tenant_id = 1'", MISSING),
        ("DELETE FROM patient RETURNING tenant_id", MISSING),
        ("SELECT pg_sleep(1)", NOT_NEEDED),
    ],
)
def test_a_filter_compares_with_a_value(statement: str, found: TenantFilter) -> None:
    assert {"site", "patient"} == TABLES
    assert tenant_filter_of(normalised(statement)) == found
