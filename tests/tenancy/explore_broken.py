import pytest, json
from fleets import fleet, hole  # noqa
from trially.state import state_of

D = {
 "renamed": ("ALTER DATABASE {db} RENAME TO {db}_away", "ALTER DATABASE {db}_away RENAME TO {db}", None),
 "closed": ("ALTER DATABASE {db} ALLOW_CONNECTIONS false","ALTER DATABASE {db} ALLOW_CONNECTIONS true", None),
 "noconnect": ("REVOKE CONNECT ON DATABASE {db} FROM {login}","GRANT CONNECT ON DATABASE {db} TO {login}", None),
 "nologin": ("ALTER ROLE {login} NOLOGIN","ALTER ROLE {login} LOGIN", None),
 "rolename": ("ALTER ROLE {login} RENAME TO {login}_x","ALTER ROLE {login}_x RENAME TO {login}", None),
 "dblimit": ("ALTER DATABASE {db} CONNECTION LIMIT 0","ALTER DATABASE {db} CONNECTION LIMIT -1", None),
 "rolelimit": ("ALTER ROLE {login} CONNECTION LIMIT 0","ALTER ROLE {login} CONNECTION LIMIT 50", None),
 "schema": ("ALTER SCHEMA {schema} RENAME TO x{schema}","ALTER SCHEMA x{schema} RENAME TO {schema}", 1),
 "table": ("ALTER TABLE {schema}.site RENAME TO sitex","ALTER TABLE {schema}.sitex RENAME TO site", 1),
 "member": ("ALTER TABLE {schema}.member RENAME TO memberx","ALTER TABLE {schema}.memberx RENAME TO member", 1),
 "column": ("ALTER TABLE {schema}.site RENAME COLUMN name TO namex","ALTER TABLE {schema}.site RENAME COLUMN namex TO name", 1),
 "guard": ("ALTER SCHEMA trially RENAME TO trialx","ALTER SCHEMA trialx RENAME TO trially", 1),
 "enter": ("ALTER FUNCTION trially.enter RENAME TO enterx","ALTER FUNCTION trially.enterx RENAME TO enter", 1),
 "noexec": ("REVOKE EXECUTE ON FUNCTION trially.enter FROM {role}","GRANT EXECUTE ON FUNCTION trially.enter TO {role}", 1),
 "noguardusage": ("REVOKE USAGE ON SCHEMA trially FROM {role}","GRANT USAGE ON SCHEMA trially TO {role}", 1),
 "nousage": ("REVOKE USAGE ON SCHEMA {schema} FROM {role}","GRANT USAGE ON SCHEMA {schema} TO {role}", 1),
 "noselect": ("REVOKE ALL ON {schema}.site FROM {role}","GRANT SELECT,INSERT,UPDATE,DELETE ON {schema}.site TO {role}", 1),
 "nomember": ("REVOKE {role} FROM {login}","GRANT {role} TO {login} WITH INHERIT FALSE, SET TRUE", None),
 "schemarole": ("ALTER ROLE {role} RENAME TO {role}_x","ALTER ROLE {role}_x RENAME TO {role}", None),
}

def get(fleet, slug):
    token = state_of(fleet.app).dev_issuer.issue_token(subject=f"owner|{slug}", tenant=slug)
    a = fleet.app.test_client().get("/api/v1/sites", headers={"Authorization": f"Bearer {token}"})
    return a.status_code, (a.json or {}).get("code"), a.headers.get("Retry-After")

def test_it(fleet):
    for slug in ("dedicated-one","schema-one","pooled-one"):
        p = fleet.tenants[slug].placement
        n = dict(db=p.database, login=p.database, schema=p.schema, role=p.role)
        for name,(b,m,ind) in D.items():
            if name in ("nomember","schemarole") and slug!="schema-one": continue
            fleet.administer("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname=%s", p.database)
            print(slug, name, "before", get(fleet, slug))
            fleet.administer("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname=%s", p.database)
            fleet.administer(b.format(**n), of=slug if ind else None)
            from trially.auth.members import identities
            try:
                print("   ", name, get(fleet, slug), get(fleet, slug.replace("one","two")))
            finally:
                fleet.administer("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname=%s", p.database)
                fleet.administer(m.format(**n), of=slug if ind else None)
