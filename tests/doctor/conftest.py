from fleets import fleet, hole

__all__ = ["fleet", "hole"]
