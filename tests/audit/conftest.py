from operator_records import records
from scratch_logs import notes, scratch

__all__ = ["notes", "records", "scratch"]
