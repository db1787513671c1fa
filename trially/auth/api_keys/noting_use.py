"""Note when an API key was used last: at most one write in some minutes, whatever its requests."""

from sqlalchemy import TextClause, text

from trially.auth.members.identities import Identity
from trially.database.placement import Placement, ReplicaPlacement
from trially.database.session import db
from trially.state import app_state

_NOTE: TextClause = text(
    """
    INSERT INTO api_key_use AS known (tenant_id, id, last_used_at)
    SELECT CAST(:tenant_id AS uuid), CAST(:id AS uuid), now()
    WHERE pg_try_advisory_xact_lock(hashtextextended('api_key_use ' || :id, 0))
    ON CONFLICT (tenant_id, id) DO UPDATE SET last_used_at = excluded.last_used_at
    WHERE known.last_used_at < excluded.last_used_at - interval '10 minutes'
    """
)
"""Only one transaction writes the row of a key. Others do not wait for it, however long it is."""


def note_key_use(placement: Placement, identity: Identity) -> None:
    """Write that the key of a request is used, unless this process has written that of late."""
    key_id, noted = identity.api_key_id, app_state().api_keys.noted
    if key_id is None or isinstance(placement, ReplicaPlacement) or noted.get(key_id):
        return
    db.session.execute(_NOTE, {"tenant_id": placement.tenant_id, "id": str(key_id)})
    noted.put(key_id, key_id)
