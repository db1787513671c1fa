-- Write the catalog's log and its seals to files, for tools/verify_audit.py:
--   psql URL_OF_THE_CATALOG -f tools/export_operators.sql
SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres';
SET bytea_output = 'hex'; SET extra_float_digits = 1; SET client_encoding = 'UTF8';
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
COPY (SELECT number, encode(previous, 'hex'), array_to_string(columns, ','), array_to_string(first, ' '), array_to_string(last, ' '), count, encode(records, 'hex'), encode(checksums, 'hex'), encode(hash, 'hex') FROM operator_seal ORDER BY number) TO STDOUT \g seals.tsv
COPY (SELECT era, transaction_id, id, at, written_by, stage, started, action, actor, host, target, tenant_id, reason, outcome, details FROM operator_action ORDER BY era, transaction_id, id) TO STDOUT \g records.tsv
COMMIT;
\! : > forms.json
