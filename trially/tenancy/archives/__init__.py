"""Archives: one portable, encrypted and checksummed copy of one tenant, the same for every tier.

`docs/archives.md` documents the format.
"""

from trially.tenancy.archives.finding import archives_of

__all__ = ["archives_of"]
