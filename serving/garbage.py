"""How often a worker collects garbage."""

import gc

RARER = 5
"""Full collections are so many times rarer than by default."""


def collect_rarely() -> None:
    """Take all that is loaded out of full collections, and make these rarer.

    All that is loaded stays until the process ends. A full collection takes some 200 ms with it, in
    the middle of a request. What requests leave in caches is looked at by the later ones: compiled
    criteria of 200 studies take 80 ms.
    """
    gc.collect()
    gc.freeze()
    young, middle, full = gc.get_threshold()
    gc.set_threshold(young, middle, full * RARER)
