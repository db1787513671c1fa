"""`flask` without the time that Python needs to import everything: a process imports, and forks.

Pages have some fifty `flask` commands. Each would import the same packages for a second. This
program imports them and reads the migrations once. Then it forks for each command a child that has
the command's arguments, environment, folder and files, and calls what the program `flask` calls.
`write_program` writes the `flask` that asks it to.
"""

import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import sys
from pathlib import Path
from typing import Any

PROGRAM = """\
#!{python} -IS
import array, json, os, socket, sys
with socket.socket(socket.AF_UNIX) as asked:
    asked.connect({path!r})
    said = json.dumps([["flask", *sys.argv[1:]], os.getcwd(), dict(os.environ)]).encode()
    files = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))]
    asked.sendmsg([len(said).to_bytes(4, "big")], files)
    asked.sendall(said)
    sys.exit(int(asked.recv(16) or b"70"))
"""
NOT_PRELOADED = ("trially.embedded_postgres.watcher",)


def write_program(program: Path, path: Path) -> None:
    """Write a program `flask` that sends its arguments to the process at a socket's path."""
    program.write_text(PROGRAM.format(python=sys.executable, path=str(path)))
    program.chmod(0o755)


def serve(path: str) -> None:
    """Import what commands import, and answer the programs `flask`."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    sys.path.insert(0, str(Path.cwd()))
    import trially

    for module in pkgutil.walk_packages(trially.__path__, "trially."):
        if module.name not in NOT_PRELOADED:
            importlib.import_module(module.name)
    # Children need not look for garbage among what was imported, neither later nor at their end.
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        while True:
            asking, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _answer(asking)
            asking.close()


def _answer(asking: socket.socket) -> None:
    """Run the command in a child of this process, and send its exit status."""
    size, files, _, _ = socket.recv_fds(asking, 4, 3)
    said = b""
    while len(said) < int.from_bytes(size, "big"):
        said += asking.recv(65536)
    child = os.fork()
    if child == 0:
        asking.close()
        _become(files, *json.loads(said))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    asking.sendall(str(status if status >= 0 else 128 - status).encode())
    os._exit(0)


def _become(files: list[int], arguments: list[str], folder: str, environment: Any) -> None:
    """Replace arguments, environment, folder and files of this process, and run `flask`."""
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[:] = arguments
    from flask.cli import main

    status: Any = 0
    try:
        main()
    except SystemExit as exit_:
        status = exit_.code
        if isinstance(status, str):
            sys.stderr.write(f"{status}\n")
            status = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    # Like the interpreter at its end, so that what waits for the end of a process runs too.
    sys.exit(status)


if __name__ == "__main__":
    serve(sys.argv[1])
