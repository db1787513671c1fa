"""Rotate the master key in processes that kill themselves.

Run as a program; each line of input is a moment: `created`, before the first data key is wrapped
again, or `wrapped`, after two of them.
"""

from killed_children import die, kill_children

from trially.tenancy.data_keys.rewrapping import begin_master_rotation


def run(moment: str) -> None:
    with begin_master_rotation() as rotation:
        wrapped = rotation.run()
        for _ in range(2 if moment == "wrapped" else 0):
            next(wrapped)
        die()


if __name__ == "__main__":
    kill_children(lambda _, moment: run(moment))
