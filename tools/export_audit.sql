-- Write a tenant's audit log and its seals to files, for tools/verify_audit.py:
--   psql URL -v schema=SCHEMA -v tenant=TENANT_ID -f tools/export_audit.sql
SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres';
SET bytea_output = 'hex'; SET extra_float_digits = 1; SET client_encoding = 'UTF8';
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT set_config('search_path', :'schema', true), set_config('trially.tenant_id', :'tenant', true) \g (format=unaligned tuples_only) /dev/null
COPY (SELECT number, encode(previous, 'hex'), array_to_string(columns, ','), array_to_string(first, ' '), array_to_string(last, ' '), count, encode(records, 'hex'), encode(checksums, 'hex'), encode(hash, 'hex') FROM audit_seal WHERE tenant_id = :'tenant' ORDER BY number) TO STDOUT \g seals.tsv
COPY (SELECT epoch, transaction_id, id, at, form_id, member_id, outcome, operator, request_id, subjects, details FROM audit_record WHERE tenant_id = :'tenant' ORDER BY epoch, transaction_id, id) TO STDOUT \g records.tsv
COPY (SELECT json_build_array(id, route, action, purpose, phi_level, fields) FROM audit_form WHERE tenant_id = :'tenant') TO STDOUT (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02') \g forms.json
COMMIT;
