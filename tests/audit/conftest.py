from scratch_logs import notes, scratch

__all__ = ["notes", "scratch"]
