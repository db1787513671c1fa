"""Tasks: what operators ask for through the platform API, and a worker carries out."""
