"""Count requests of a tenant in a process that kills itself before it has sent the last ones.

The lines of the input are the tenant's id, how many requests are sent, and how many are not.
"""

import os
import signal
import sys
import time
from dataclasses import replace
from uuid import UUID

from sqlalchemy import text

from trially import create_app
from trially.config import read_settings
from trially.state import state_of
from trially.tenancy.catalog_sessions import control_engine

FLUSH_SECONDS = 0.5
MOST_SECONDS = 30.0

tenant_id, sent, unsent = (line.strip() for line in sys.stdin)
app = create_app(replace(read_settings(), usage_flush_seconds=FLUSH_SECONDS))
counter = state_of(app).usage
ends_at = time.monotonic() + MOST_SECONDS


def stored() -> int:
    query = text("SELECT sum(requests) FROM usage_sample WHERE tenant_id = :id")
    with app.app_context(), control_engine().connect() as catalog:
        return int(catalog.execute(query, {"id": tenant_id}).scalar() or 0)


def count_and_be_killed() -> None:
    for _ in range(int(sent)):
        counter.add(UUID(tenant_id), requests=1)
    while stored() < int(sent):  # The counter's own thread sends them.
        if time.monotonic() > ends_at:
            os._exit(1)
        time.sleep(0.02)
    for _ in range(int(unsent)):
        counter.add(UUID(tenant_id), requests=1)
    os.kill(os.getpid(), signal.SIGKILL)


child = os.fork()
if child == 0:
    count_and_be_killed()
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status) != -signal.SIGKILL)
