"""What a process remembers for a while, in memory of its own. No PHI."""
