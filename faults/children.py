"""Child processes that do not outlive this one."""

import shutil

SETPRIV = shutil.which("setpriv")


def tied(command: list[str]) -> list[str]:
    """Return a command that gets SIGTERM when the process that started it ends, even by SIGKILL.

    Where the program `setpriv` is missing, the command is unchanged.
    """
    return command if SETPRIV is None else [SETPRIV, "--pdeathsig", "TERM", "--", *command]
