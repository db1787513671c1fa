"""Where SQL goes: placements, the session, engines. Knows placements, not tenants; no HTTP."""
