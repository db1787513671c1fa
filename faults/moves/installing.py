"""The installation in which tenants move."""

from contextlib import AbstractContextManager

from faults.installation import Installation, installation


def new_installation() -> AbstractContextManager[Installation]:
    """Install trially on two servers, with few tenants.

    Its tables have all constraints, because a move compares them. The ledger finds doubled writes
    by the ids in the answers.
    """
    return installation(names=("one",), allows_doubles=False)
