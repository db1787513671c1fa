-- What deploy/pgbouncer-users and PgBouncer's auth_query ask. As a superuser, in the database `postgres`, once per server:
--   psql -v password="'SCRAM-SHA-256$…'" -f deploy/pgbouncer.sql postgres
-- The role learns the verifiers of tenants' login roles and of the catalog's reader, of nobody else.
CREATE ROLE trially_pooler LOGIN PASSWORD :password CONNECTION LIMIT 5;
GRANT CONNECT ON DATABASE postgres TO trially_pooler;
CREATE SCHEMA trially_pooler;
GRANT USAGE ON SCHEMA trially_pooler TO trially_pooler;
CREATE FUNCTION trially_pooler.list_roles() RETURNS TABLE (role text, verifier text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT rolname, rolpassword FROM pg_authid
    WHERE rolname ~ '^([st]_[0-9a-f]{12}|trially_catalog_reader)$' AND rolpassword LIKE 'SCRAM-SHA-256$%'
    AND rolcanlogin AND NOT rolsuper AND NOT rolbypassrls AND NOT rolreplication
    AND (rolvaliduntil IS NULL OR rolvaliduntil > now())
$function$;
CREATE FUNCTION trially_pooler.find_role(asked text) RETURNS TABLE (role text, verifier text)
LANGUAGE sql STABLE
AS $function$
    SELECT listed.role, listed.verifier FROM trially_pooler.list_roles() AS listed WHERE listed.role = asked
$function$;
REVOKE ALL ON FUNCTION trially_pooler.list_roles() FROM PUBLIC;
REVOKE ALL ON FUNCTION trially_pooler.find_role(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trially_pooler.list_roles() TO trially_pooler;
GRANT EXECUTE ON FUNCTION trially_pooler.find_role(text) TO trially_pooler;
