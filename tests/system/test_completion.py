"""Completion of the command line, by the shells themselves: each line of the page for operators, then the tabulator."""

import os
import pty
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from select import select
from time import monotonic

import pytest
from tests.support.command_line import vestibule
from tests.support.server import VESTIBULE

PAGE = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()
SOURCES = {shell: line for line, shell in re.findall(r"^    (.*_VESTIBULE_COMPLETE=(\w+)_source.*?) +#", PAGE, re.MULTILINE)}
"""The line that the page gives for each shell."""

COMPLETIONS = {
    "vestibule acc": {"accounts"},
    "vestibule accounts su": {"suspend"},
    "vestibule accounts suspend ada --u": {"--until"},
    "vestibule accounts list --state d": {"deactivated", "deletion_scheduled"},
}
EVERY_LINE = pytest.mark.parametrize(("line", "completions"), COMPLETIONS.items(), ids=[*COMPLETIONS])
SECONDS = 30.0


def variables(home: Path) -> dict[str, str]:
    path = os.pathsep.join((str(Path(VESTIBULE).parent), os.environ["PATH"]))
    return {"PATH": path, "HOME": str(home), "TERM": "xterm", "COLUMNS": "100", "LC_ALL": "C.UTF-8"}


def needs(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


def test_page_has_a_line_for_each_shell() -> None:
    assert set(SOURCES) == {"bash", "zsh", "fish"}


@EVERY_LINE
def test_program_names_the_completions(line: str, completions: set[str]) -> None:
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1), "_VESTIBULE_COMPLETE": "bash_complete"}
    assert {each.partition(",")[2] for each in vestibule(**asked).stdout.splitlines()} == completions


@needs("fish")
@EVERY_LINE
def test_fish_completes(line: str, completions: set[str], tmp_path: Path) -> None:
    program = f"{SOURCES['fish']}; complete --do-complete '{line}'"
    done = subprocess.run(
        [str(shutil.which("fish")), "--no-config", "--command", program],
        env=variables(tmp_path),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert {each.partition("\t")[0] for each in done.stdout.splitlines()} == completions


class Terminal:
    """A pseudo-terminal in which a shell runs."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def type(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode())

    def wait_for(self, *patterns: str) -> None:
        """Reads until there is a match of each pattern in the output, without the sequences that control the terminal."""
        output, ends_at = b"", monotonic() + SECONDS
        with suppress(OSError):  # at the end of the process
            while select([self._descriptor], [], [], max(0.0, ends_at - monotonic()))[0]:
                output += os.read(self._descriptor, 4096)
                shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|[\r\x07]", "", output.decode(errors="replace"))
                if all(re.search(pattern, shown) for pattern in patterns):
                    return
        raise TimeoutError(f"the terminal does not show {patterns}, but {output!r}")


@contextmanager
def shell_in_terminal(command: list[str], environment: Mapping[str, str]) -> Iterator[Terminal]:
    main, terminal = pty.openpty()
    with subprocess.Popen(
        command, env=environment, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
    ) as process:
        os.close(terminal)
        try:
            yield Terminal(main)
        finally:
            process.kill()
            os.close(main)


SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "PS1='ready> '; bind 'set show-all-if-ambiguous on'"),
    "zsh": (
        ["zsh", "-f", "-i"],
        "PS1='ready> '; unsetopt zle_bracketed_paste beep list_ambiguous; autoload -U compinit; compinit -D -u",
    ),
}


@EVERY_LINE
@pytest.mark.parametrize("shell", [pytest.param(shell, marks=needs(shell)) for shell in SHELLS])
def test_shell_completes_at_the_tabulator(shell: str, line: str, completions: set[str], tmp_path: Path) -> None:
    command, set_up = SHELLS[shell]
    with shell_in_terminal(command, variables(tmp_path)) as terminal:
        terminal.type(f"{set_up}\n{SOURCES[shell]}\necho sour''ced\n")
        terminal.wait_for(r"\nsourced\n[^\n]*ready> ")
        terminal.type(f"{line}\t")
        words = line.split()
        if len(completions) == 1:
            [completion] = completions
            terminal.wait_for(re.escape(" ".join([*words[:-1], completion])))
        else:
            terminal.wait_for(*completions)
