"""The table of settings: the name, type, rule and default of each.

The environment variable of a setting is its name in capitals, with the prefix `TRIALLY_`. The type
decides how the variable is parsed. Errors do not show the value of a field with `repr=False`.
`docs/settings.md` describes each setting to operators.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from sqlalchemy import URL

from trially.config.rules import (
    Rule,
    at_least,
    between,
    each,
    is_store_url,
    matching,
    multiple_of,
    one_of,
)
from trially.slugs import SLUG_PATTERN

ROOT = Path(__file__).resolve().parents[2]
INSTANCE = ROOT / "instance"
DEFAULT_PUBLIC_URL = "http://127.0.0.1:5000"
WEB_APP_ORIGINS = ("http://localhost:3000", "http://127.0.0.1:3000")
"""Origins of a web app in development, at the port that Next.js and others listen on first."""

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
"""Signature algorithms that may be accepted: no MAC, whose key is public here, and not `none`."""

ACCESS_TOKEN_TYPES = ("at+jwt", "application/at+jwt")
"""Values of `typ` of access tokens (RFC 9068). ID tokens may have the type `JWT`."""

DATABASE_NAME = matching(
    "[a-z][a-z0-9_]{0,39}",
    "a name of at most 40 lower-case letters, digits and underscores that begins with a letter",
)
NOT_EMPTY = Rule("at least one value:", bool)
CLAIM_VALUE = matching(r".{1,255}", "text of 1 to 255 characters")
SLUG = matching(SLUG_PATTERN, "the slug of one tenant, such as acme")
CONTACT = matching(r"[^\x00-\x1f\x7f]{1,200}", "a line of 1 to 200 characters")
READERS = Rule(
    "where each value is package.module:name",
    lambda readers: all(
        re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", path) for path in readers.values()
    ),
)
DNS_SERVERS = each(
    matching(
        r"[0-9a-f.:]{2,39}:[0-9]{1,5}",
        "addresses with ports separated by commas, such as 192.0.2.53:53",
    )
)
STORE_URL = Rule(
    "a URL such as valkey://127.0.0.1:6379/0, valkeys://… with TLS, or valkey+unix:///path",
    is_store_url,
)
ORIGINS = each(
    matching(
        r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?",
        "origins separated by commas, as browsers send them, such as https://app.example.org",
    )
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that differs between installations. `read_settings` also refuses unsafe values."""

    development: bool = False
    """A developer's own machine: allows the embedded PostgreSQL and the built-in issuer."""

    secret_key: str = field(repr=False)
    """At least 32 characters. Passwords of database roles and all other keys derive from it."""

    previous_secret_key: str = field(default="", repr=False)
    """The other secret key while the key is changed: what it signed and set is still accepted."""

    master_key: str = field(default="", repr=False)
    """The URL of the master key that wraps tenants' data keys. In development a key ring's file."""

    previous_master_key: str = field(default="", repr=False)
    """The URL of the former master key while another provider or key takes its place."""

    data_key_max_age_seconds: Annotated[float, between(0, 86_400)] = 900.0
    """How long a process keeps an unwrapped data key in memory, in seconds."""

    key_provider_timeout_seconds: Annotated[float, between(0.1, 60)] = 5.0
    """Maximum time of one call of a master key's provider, in seconds."""

    key_provider_outage_seconds: Annotated[float, between(0, 604_800)] = 14_400.0
    """How long expired data keys are used while their provider does not answer, in seconds."""

    instance: Path = INSTANCE
    """Directory of local state: settings, the embedded server's data, the built-in issuer's key."""

    database_url: URL | None = field(default=None, repr=False)
    """An administrator's URL of the first server; None starts the embedded server."""

    pooler_url: URL | None = field(default=None, repr=False)
    """A pooler for tenants' transactions on the first server; user and database are ignored."""

    embedded_settings: dict[str, str] = field(default_factory=dict)
    """Extra `postgresql.conf` settings of the embedded server."""

    barman: str = "barman"
    """The command that runs Barman on this host, with its options."""

    postgres_programs: Path | None = None
    """The folder of the PostgreSQL programs that recover a cluster; None looks for them."""

    recovery_directory: Path | None = None
    """The folder of recovered clusters; None is the folder `recovery` of the instance."""

    terminologies: Path | None = None
    """The folder of loaded terminologies; None is the folder `terminologies` of the instance."""

    readers: Annotated[dict[str, str], READERS] = field(default_factory=dict)
    """Readers of eligibility texts besides the rules: `package.module:name` by their names."""

    catalog_database: Annotated[str, DATABASE_NAME] = "trially_catalog"
    """Name of the control-plane database on the first server."""

    reason: str | None = None
    """Why commands are run, where they have no `--reason`. It is recorded with them."""

    pinned_tenant: Annotated[str | None, SLUG] = None
    """Slug of the only tenant that this instance serves; None serves all of the catalog's."""

    public_url: str = DEFAULT_PUBLIC_URL
    """URL at which clients reach this back end, without a trailing slash.

    In development the default is the URL that `flask demo serve` was last served at.
    """

    issuers: Annotated[tuple[str, ...], each(CLAIM_VALUE)] = ()
    """Trusted OIDC issuers, exactly as in `iss`."""

    issuer_profiles: Path | None = None
    """A TOML or JSON file that describes further issuers."""

    audiences: Annotated[tuple[str, ...], each(CLAIM_VALUE)] = ("https://api.trially.ai",)
    """Values of `aud` that name this back end."""

    platform_issuers: Annotated[tuple[str, ...], each(CLAIM_VALUE)] = ()
    """OIDC issuers whose tokens the platform API trusts, exactly as in `iss`."""

    platform_audience: Annotated[str | None, CLAIM_VALUE] = None
    """Value of `aud` that names the platform API; None: the first audience and `/platform`."""

    organisation_issuers: Annotated[tuple[str, ...], each(CLAIM_VALUE)] = ()
    """OIDC issuers whose tokens people of organisations have, exactly as in `iss`."""

    organisation_audience: Annotated[str | None, CLAIM_VALUE] = None
    """Value of `aud` of their tokens; None: the first audience and `/organisations`."""

    smallest_shared_count: Annotated[int, multiple_of(11)] = 11
    """The smallest number of patients that a tenant shares with organisations.

    It is a multiple of 11, so that counts from before a change of the setting and from after it
    tell no more together than numbers that are rounded to 11.
    """

    own_issuers_per_tenant: Annotated[int, between(0, 20)] = 3
    """How many issuers of its own a tenant may register; with 0 none, and no token of one counts.
    """

    algorithms: Annotated[tuple[str, ...], NOT_EMPTY, each(one_of(ALGORITHMS))] = (
        "RS256",
        "ES256",
        "EdDSA",
    )
    """Accepted signature algorithms."""

    token_types: Annotated[tuple[str, ...], NOT_EMPTY, each(one_of(ACCESS_TOKEN_TYPES))] = (
        ACCESS_TOKEN_TYPES
    )
    """Accepted values of the header `typ`."""

    tenant_claim: Annotated[str, CLAIM_VALUE] = "https://trially.ai/tenant"
    """Name of the claim that holds a token's tenant."""

    dev_issuer: bool = False
    """Serve the built-in issuer at /dev-issuer and trust its tokens; on in development."""

    dev_token_seconds: Annotated[int, between(10, 86_400)] = 43_200
    """Lifetime of the built-in issuer's tokens, in seconds."""

    connections_per_tenant: Annotated[int, at_least(1)] = 50
    """CONNECTION LIMIT of a tenant's login role."""

    connections_per_shared_database: Annotated[int, at_least(1)] = 200
    """CONNECTION LIMIT of the login role of a database that tenants share."""

    schemas_per_database: Annotated[int, at_least(1)] = 500
    """Tenants with a schema of their own that one shared database takes."""

    tenants_per_pool: Annotated[int, at_least(1)] = 10_000
    """Tenants whose rows one database of shared tables takes."""

    plan_tiers: dict[str, str] = field(default_factory=dict)
    """The tier of each plan's tenants, unless `--tier` is given when a tenant is created."""

    plan_contact: Annotated[str | None, CONTACT] = None
    """Whom a tenant asks for more than its plan allows: an e-mail address, a URL or a line of text.
    """

    redis_url: Annotated[str | None, STORE_URL] = field(default=None, repr=False)
    """The URL of the Valkey or Redis in which processes count requests; None counts in each."""

    member_request_share: Annotated[float, between(0.01, 1)] = 0.5
    """The share of its tenant's requests per minute that one member may send."""

    ready_tenants: dict[str, str] = field(default_factory=dict)
    """How many tenants of each tier are kept ready on each server, to be claimed by new ones."""

    replica_max_lag_ms: Annotated[int, between(1, 5000)] = 1000
    """Maximum lag of a replica that answers requests, in milliseconds."""

    connections_per_server: Annotated[int | None, at_least(1)] = None
    """Maximum connections of this process to one server, over all tenants; None: its share."""

    checkout_timeout_seconds: Annotated[float, between(0.01, 60)] = 5.0
    """Maximum wait of a request for a connection, in seconds."""

    idle_connection_seconds: Annotated[float, at_least(1)] = 30.0
    """How long a connection to a tenant's database is kept while no request uses it."""

    statement_timeout_ms: Annotated[int, at_least(1)] = 30_000
    """Maximum duration of a tenant's statement, in milliseconds."""

    lock_timeout_ms: Annotated[int, at_least(1)] = 3_000
    """Maximum wait of a tenant's statement for a lock, in milliseconds."""

    threads: Annotated[int, at_least(1)] = 8
    """Threads of this process that answer requests."""

    processes: Annotated[int, at_least(1)] = 2
    """Processes that answer requests, on all machines. `flask doctor` compares limits with it."""

    tenant_thread_share: Annotated[float, between(0.01, 1)] = 0.5
    """The share of these threads that the requests of one tenant may hold."""

    placement_max_age_seconds: Annotated[float, between(0, 5)] = 5.0
    """Maximum age of cached placements and members, in seconds."""

    catalog_outage_seconds: Annotated[float, between(0, 86_400)] = 900.0
    """How long expired placements are used while the catalog does not answer, in seconds."""

    issuer_outage_seconds: Annotated[float, between(600, 604_800)] = 14_400.0
    """How long an issuer's keys are used without a successful fetch, in seconds."""

    max_body_bytes: Annotated[int, at_least(1)] = 1 << 20
    """Maximum size of a JSON body."""

    max_json_depth: Annotated[int, between(1, 500)] = 32
    """Maximum nesting depth of a JSON body."""

    max_json_items: Annotated[int, at_least(1)] = 1000
    """Maximum items of one list, or members of one object, in a JSON body."""

    max_import_bytes: Annotated[int, at_least(1)] = 1 << 30
    """Maximum size of an import as received."""

    max_import_expanded_bytes: Annotated[int, at_least(1)] = 1 << 34
    """Maximum size of an import after decompression."""

    max_import_expansion: Annotated[int, at_least(1)] = 100
    """Maximum size of an import after decompression, as a multiple of its size as received."""

    max_import_lines: Annotated[int, at_least(1)] = 20_000_000
    """Maximum lines of an import, blank lines included."""

    max_import_line_bytes: Annotated[int, between(1024, 1 << 26)] = 1 << 24
    """Maximum size of a line, or of an entry of a large Bundle, of an import."""

    max_import_resource_rows: Annotated[int, between(1, 1001)] = 1001
    """Maximum rows that one resource of an import may become."""

    max_import_batch_rows: Annotated[int, at_least(1)] = 5000
    """Rows from which a batch of an import is written. Its last resource may exceed them."""

    max_import_seconds: Annotated[float, at_least(1)] = 3600.0
    """Maximum time that an import runs, in seconds."""

    max_dry_run_seconds: Annotated[float, between(1, 600)] = 20.0
    """Maximum time of a dry run of an import, in seconds, as other imports of its source wait."""

    max_import_fault_share: Annotated[float, between(0, 1)] = 0.9
    """Maximum share of an import's lines that may be faulty, from the thousandth fault on."""

    max_import_stored_faults: Annotated[int, at_least(0)] = 1000
    """Faults that an import stores with their lines; further faults are counted by reason."""

    max_import_waiting_facts: Annotated[int, at_least(0)] = 1_000_000
    """Facts of one source that may wait for a patient that a later import brings."""

    max_import_waiting_days: Annotated[int, at_least(0)] = 0
    """Days after which an import of a source deletes its waiting facts; 0: never."""

    imports_per_tenant: Annotated[int, at_least(1)] = 2
    """Maximum imports that a tenant may run at the same time, over all processes."""

    imports_per_process: Annotated[int, at_least(1)] = 4
    """Maximum uploads that one process receives and imports at the same time."""

    queued_imports_per_tenant: Annotated[int, at_least(1)] = 10
    """Uploads of a tenant that may wait at the same time for a worker to import them."""

    job_threads: Annotated[int, between(1, 64)] = 2
    """Jobs that one worker process runs at the same time."""

    worker_metrics: str = ""
    """Address and port at which `flask worker` serves its metrics, such as `127.0.0.1:9101`."""

    jobs_per_tenant: Annotated[int, at_least(1)] = 2
    """Jobs of a tenant that may run at the same time, over all workers."""

    webhook_threads: Annotated[int, between(1, 256)] = 16
    """Webhook endpoints that one worker process sends to at the same time."""

    webhook_threads_per_tenant: Annotated[int, at_least(1)] = 4
    """Webhook endpoints of one tenant that one worker process sends to at the same time."""

    job_lease_seconds: Annotated[float, between(1, 600)] = 30.0
    """Time without a sign of life after which another worker continues a job, in seconds."""

    job_sweep_seconds: Annotated[float, between(1, 86_400)] = 600.0
    """Time within which a worker looks at each tenant even without a wake-up, in seconds."""

    job_retention_days: Annotated[int, at_least(1)] = 30
    """Days after which a job that has ended is deleted."""

    usage_flush_seconds: Annotated[float, between(0.1, 300)] = 10.0
    """How often a process sends what it has counted of requests to the catalog, in seconds."""

    dns_servers: Annotated[tuple[str, ...], DNS_SERVERS] = ()
    """The DNS servers that verify tenants' domains, as `address:port`. Default: the system's."""

    max_bulk_bytes: Annotated[int, at_least(1)] = 1 << 36
    """Maximum size of the files of one Bulk Data export."""

    max_bulk_seconds: Annotated[float, at_least(1)] = 86_400.0
    """Maximum time that a command waits for one Bulk Data export and its files, in seconds."""

    cursor_lifetime_seconds: Annotated[int, at_least(1)] = 86_400
    """How long a page cursor is accepted, in seconds."""

    idempotency_lifetime_seconds: Annotated[int, at_least(1)] = 86_400
    """How long the response to a request with an Idempotency-Key is stored, in seconds."""

    request_timeout_ms: Annotated[int, at_least(1)] = 30_000
    """Maximum time that a request may use its tenant's database, in milliseconds."""

    cors_origins: Annotated[tuple[str, ...], ORIGINS] = ()
    """Origins whose pages may call this back end from a browser, exactly as browsers send them.

    In development the default is `WEB_APP_ORIGINS`.
    """

    log_level: Annotated[str, one_of(LOG_LEVELS)] = "INFO"
    """The lowest level that servers log."""

    slow_query_ms: Annotated[int, at_least(0)] = 500
    """Duration from which a tenant's statement is logged as slow, in milliseconds."""

    backup_url: str = field(default="", repr=False)
    """Where archives of tenants are, as a URL. By default a folder of the instance."""

    audit_witnesses: tuple[str, ...] = field(default=(), repr=False)
    """Where the hashes of audit seals are kept outside the databases, as URLs."""

    audit_time_stamp_roots: Path | None = None
    """A PEM file of the root certificates that sign the time stamps of an RFC 3161 witness."""

    audit_retention_years: Annotated[int, between(1, 100)] = 6
    """Years, after the year of an audit record, before `flask audit prune` may remove it."""

    metrics_token: str = field(default="", repr=False)
    """Bearer token of /metrics; empty disables the page."""

    metrics_tenants: Annotated[int, between(0, 1000)] = 100
    """Tenants whose requests a process counts under their own id at a time, the busiest first."""
