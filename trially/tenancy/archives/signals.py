"""What restores of archives and of clusters announce to the rooms whose rows they load.

The rooms connect at the start of the app, and this module loads no code of restores.
"""

from blinker import Signal

tenant_restored = Signal()
"""Sent with the placement of a restored tenant, before it is active. It may be sent twice.

A receiver writes what the catalog knows of the tenant's rows.
"""

rows_loaded = Signal()
"""Sent with a `PlacementRecord` when rows of an archive are there, at the newest revision.

It has `source_tenant_id` and `snapshot_at` too, and may be sent twice. The placement serves
no one yet. A receiver deletes rows that must not come back.
"""
