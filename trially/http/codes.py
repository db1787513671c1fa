"""The codes of problems. docs/problems.md is written from the strings below them."""

from enum import StrEnum


class Code(StrEnum):
    """The cause of a problem. A code is never renamed and never reused for another cause."""

    ALREADY_EXISTS = "already_exists"
    """A record with this value already exists; `errors` points to the value."""

    BAD_REQUEST = "bad_request"
    """The request is malformed."""

    CONTENT_TOO_LARGE = "content_too_large"
    """The body is larger than this route accepts."""

    CONNECTIONS_EXHAUSTED = "connections_exhausted"
    """All connections to the database that are allowed are in use. Retry after `Retry-After`."""

    CONTROL_PLANE_UNAVAILABLE = "control_plane_unavailable"
    """The control plane cannot be asked about this tenant. Retry after `Retry-After`."""

    DATA_KEY_UNAVAILABLE = "data_key_unavailable"
    """The key of the tenant's encrypted data cannot be used now. Retry after `Retry-After`."""

    DATABASE_FULL = "database_full"
    """The database server has no disk space or memory left. An operator must act."""

    DATABASE_LOGIN_REFUSED = "database_login_refused"
    """The database refuses this server's password, role or privileges. An operator must act."""

    DATABASE_MISSING = "database_missing"
    """The tenant's database does not exist or accepts no connections. An operator must act."""

    DATABASE_OUTDATED = "database_outdated"
    """The tenant's tables are not those that this version needs. An operator must migrate them."""

    DATABASE_READ_ONLY = "database_read_only"
    """The database accepts no changes, as during a failover. Retry after `Retry-After`."""

    DATABASE_RESTARTING = "database_restarting"
    """The database server is starting or stopping. Retry after `Retry-After`."""

    DATABASE_SILENT = "database_silent"
    """The database server does not answer. Retry after `Retry-After`."""

    DATABASE_UNAVAILABLE = "database_unavailable"
    """The connection to the database was lost or refused. Retry after `Retry-After`."""

    DOCUMENTS_BUSY = "documents_busy"
    """This server process reads as many documents as it may. Retry after `Retry-After`."""

    EXPORT_RUNNING = "export_running"
    """An export of the tenant waits or runs. Wait until it ends."""

    EXPORT_NOT_COMPLETE = "export_not_complete"
    """The import is no full export, or is no longer the last import of its source."""

    FIELD_ENCRYPTED = "field_encrypted"
    """The tenant encrypts this field, so it cannot be sorted or searched so; `errors` names it."""

    FORBIDDEN = "forbidden"
    """The caller is known and may not do this."""

    CONFLICT = "conflict"
    """The request conflicts with the current state."""

    IDEMPOTENCY_KEY_IN_USE = "idempotency_key_in_use"
    """The first request with this Idempotency-Key is still running. Retry after `Retry-After`."""

    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    """This Idempotency-Key was sent before with another body, query or type."""

    IF_MATCH_REQUIRED = "if_match_required"
    """The request needs If-Match with the ETag of the record to change."""

    IMPORTS_BUSY = "imports_busy"
    """This server process runs as many imports as it may. Retry after `Retry-After`."""

    IMPORT_FAILED = "import_failed"
    """A strict import met an error, or nothing was imported. `Location` is the failed import."""

    IMPORT_LIMIT_EXCEEDED = "import_limit_exceeded"
    """The upload exceeds the limit in `detail`. Change it. `Location` is the failed import."""

    IMPORT_RUNNING = "import_running"
    """The import is running, so it cannot be deleted. Wait until it ends."""

    IMPORT_STOPPED = "import_stopped"
    """The import used up its time. Send the same upload again after `Retry-After` to continue."""

    IMPORT_TAKEN_OVER = "import_taken_over"
    """The same import was started again and continues there."""

    INTERNAL_ERROR = "internal_error"
    """The server failed. Report the `request_id`."""

    INVALID_CURSOR = "invalid_cursor"
    """The cursor expired, or belongs to another list, filter or tenant. Start at the first page."""

    INVALID_PARAMETER = "invalid_parameter"
    """A query parameter is unknown or invalid; `errors` names it."""

    INVALID_TOKEN = "invalid_token"  # noqa: S105
    """The bearer token is invalid, expired or revoked. Sign in again."""

    ISSUER_UNAVAILABLE = "issuer_unavailable"
    """The keys of the token's issuer are unavailable. Keep the token; retry after `Retry-After`."""

    JOB_ENDED = "job_ended"
    """The job has ended, so it cannot be cancelled."""

    LAST_OWNER = "last_owner"
    """No owner would be left, or none with all rights. Make another member such an owner first."""

    LOCK_TIMEOUT = "lock_timeout"
    """Another transaction holds the record for too long. Retry after `Retry-After`."""

    LEGAL_HOLD = "legal_hold"
    """The patient is under a legal hold, so nothing of the patient may be deleted."""

    FEATURE_NOT_IN_PLAN = "feature_not_in_plan"
    """The plan of the tenant lacks `feature`; `plans` have it. `contact` is whom to ask."""

    MALFORMED_JSON = "malformed_json"
    """The body is not JSON, or an object of it names a member twice."""

    MISSING_PERMISSION = "missing_permission"
    """The member's role does not include the permission that `detail` names."""

    MISSING_TOKEN = "missing_token"  # noqa: S105
    """The request has no bearer token."""

    MORE_THAN_OWN_RIGHTS = "more_than_own_rights"
    """The caller would grant, change or remove rights that the caller does not have."""

    NO_ACTIVE_VERSION = "no_active_version"
    """The study has no active version of its protocol, so it selects no patients."""

    NOT_AN_OPERATOR = "not_an_operator"
    """The token of the platform API is valid, and its holder is no operator here."""

    NOT_IN_AN_ORGANISATION = "not_in_an_organisation"
    """The token for organisations is valid, and its holder is a person of none."""

    NOT_FOUND = "not_found"
    """The record does not exist, or the caller may not see it."""

    TENANT_LEAVING = "tenant_leaving"
    """The tenant is suspended, and will be erased at `erase_after`. Only its members are told."""

    NO_DOMAIN = "no_domain"
    """The branding of the tenant has no domain, so there is none to verify."""

    NO_OWNER_COULD_SIGN_IN = "no_owner_could_sign_in"
    """No owner could sign in. Give one another way in; for an issuer, `force=true` does it."""

    NO_TENANT_ACCESS = "no_tenant_access"
    """The token gives no access to this tenant: unknown, suspended and foreign tenants alike."""

    OPERATION_ENDED = "operation_ended"
    """The operation has ended, so it can be neither cancelled nor resumed."""

    OWN_ALERT = "own_alert"
    """The alert is about the caller, who therefore cannot acknowledge it."""

    PHI_LEVEL_REQUIRED = "phi_level_required"
    """The request searches by or changes a field that needs the PHI level `full`."""

    PLACEMENT_CHANGED = "placement_changed"
    """The tenant is being moved to another database. Retry after `Retry-After`."""

    PRECONDITION_FAILED = "precondition_failed"
    """A precondition of the request does not hold."""

    PRECONDITION_REQUIRED = "precondition_required"
    """The request needs a precondition."""

    QUOTA_EXCEEDED = "quota_exceeded"
    """The tenant has as many of `limit` as its plan allows. `contact` is whom to ask."""

    RECORD_REPLACES_OTHERS = "record_replaces_others"
    """Other records of the same person were merged into this one. `replaced_ids` lists them."""

    REQUEST_TIMEOUT = "request_timeout"
    """The request took longer than the server allows. Retry, or ask for less."""

    REQUEST_TOO_SLOW = "request_too_slow"
    """The request arrived too slowly, and was not answered. It may be repeated."""

    SERVICE_UNAVAILABLE = "service_unavailable"
    """A part that the request needs is unavailable. Retry after `Retry-After`."""

    STILL_REFERENCED = "still_referenced"
    """Other records still reference this one."""

    TENANT_BUSY = "tenant_busy"
    """Too many requests of this tenant are running already. Retry after `Retry-After`."""

    TENANT_CHOICE_REQUIRED = "tenant_choice_required"
    """The token is valid for several tenants. Choose one with `X-Tenant-ID`."""

    TEXT_NOT_READ = "text_not_read"
    """The text is too long for the reader, or the reader failed. `detail` says which."""

    TOO_MANY_CONNECTIONS = "too_many_connections"
    """The server closed a waiting connection in favour of others. Retry after `Retry-After`."""

    TOO_MANY_IMPORTS = "too_many_imports"
    """The tenant runs, or has waiting, as many imports as it may. Retry after `Retry-After`."""

    TOO_MANY_REQUESTS = "too_many_requests"
    """As many requests were sent, or run, as `limit` allows. Retry after `Retry-After`."""

    TOO_MANY_UNKNOWN_KEYS = "too_many_unknown_keys"
    """This server process looks up no more unknown API keys now. Retry after `Retry-After`."""

    TOO_MANY_STREAMS = "too_many_streams"
    """Too many event streams are open. Poll the job instead, or retry after `Retry-After`."""

    UNAUTHORIZED = "unauthorized"
    """The request has no valid credentials."""

    UNPROCESSABLE_CONTENT = "unprocessable_content"
    """The body is well-formed and breaks a rule."""

    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    """This route does not accept a body of this Content-Type."""

    VALIDATION_FAILED = "validation_failed"
    """The body breaks a rule; `errors` points to each value."""

    VERSION_NOT_READY = "version_not_ready"
    """The version of the protocol cannot be activated; `errors` says what hinders it."""

    VERSION_FROZEN = "version_frozen"
    """The version of the protocol is active or superseded, so it never changes. Copy it."""

    VERSION_CONFLICT = "version_conflict"
    """The record has changed since the version that If-Match names. Read it again."""

    WRONG_SECRET_KEY = "wrong_secret_key"  # noqa: S105
    """The service runs with the secret key of another installation. Operators must correct it."""
