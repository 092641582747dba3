"""The commands of the command line, each in a process of its own."""

import os
import sys
from multiprocessing import get_context
from pathlib import Path
from subprocess import CompletedProcess
from tempfile import TemporaryDirectory

_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload(["vestibule.entrypoints.cli.group", "vestibule.entrypoints.container", "alembic", "rich.table"])
_STREAMS = (("stdin", os.O_RDONLY), ("stdout", os.O_WRONLY | os.O_CREAT), ("stderr", os.O_WRONLY | os.O_CREAT))
_SECONDS = 60


def vestibule(*arguments: str, stdin: str = "", **settings: str) -> CompletedProcess[str]:
    """Runs the command with these environment variables and no other `VESTIBULE_` variables.

    Its process is forked from one that has imported the program already: imports are nine tenths of the time of a command.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VESTIBULE_")} | settings
    with TemporaryDirectory() as directory:
        (Path(directory) / "stdin").write_text(stdin)
        process = _CONTEXT.Process(target=_run, args=(arguments, environment, str(Path.cwd()), directory))
        process.start()
        process.join(_SECONDS)
        if process.is_alive():
            process.kill()
            raise TimeoutError(f"vestibule {' '.join(arguments)} takes longer than {_SECONDS} s")
        stdout, stderr = ((Path(directory) / name).read_text() for name in ("stdout", "stderr"))
        assert process.exitcode is not None
        return CompletedProcess(["vestibule", *arguments], process.exitcode, stdout, stderr)


def _run(arguments: tuple[str, ...], environment: dict[str, str], working_directory: str, streams: str) -> None:
    for number, (name, flags) in enumerate(_STREAMS):
        os.dup2(os.open(f"{streams}/{name}", flags, 0o600), number)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 — multiprocessing gives a child /dev/null
    os.chdir(working_directory)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["vestibule", *arguments]

    from vestibule.entrypoints.cli.__main__ import main  # noqa: PLC0415 — the test process needs no command

    main()
