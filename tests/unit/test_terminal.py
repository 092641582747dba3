"""What the commands print is harmless to a terminal."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule.entrypoints import cli
from vestibule.entrypoints.cli.common import echo, print_json, printable


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("\x1b[2J", r"\u001b[2J"),
        ("\x9b2J", r"\u009b2J"),
        ("\x7f\r\t\b", r"\u007f\r\t\b"),
        ("\u202enimda", r"\u202enimda"),
        ("\u2028\u200b\ud800", r"\u2028\u200b\ud800"),
        ("Zoë Łuksza 明 🔬", "Zoë Łuksza 明 🔬"),
    ],
)
def test_invisible_characters_are_escaped(text: str, printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert printable(text) == printed
    echo(f"{text}\n{text}", err=True)
    assert capsys.readouterr().err == f"{printed}\n{printed}\n"


@given(st.text(st.characters()))
def test_json_of_any_text_is_printable_and_reads_as_the_text(text: str) -> None:
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("click.echo", lambda line, **_: lines.append(line))
        print_json({"text": text})
    (line,) = lines
    assert line.isprintable()
    assert json.loads(line) == {"text": text}


def test_commands_print_through_one_function() -> None:
    modules = Path(cli.__path__[0]).glob("*.py")
    assert [module.name for module in modules if "click.echo(" in module.read_text()] == ["common.py"]
