"""The snippets of docs/library.md run unchanged, one after another in one directory."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from litestar.testing import TestClient

PAGE = Path(__file__).resolve().parents[2] / "docs" / "library.md"


@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_every_snippet_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    mounted = 0
    for snippet in re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        module = ModuleType("snippet")
        monkeypatch.setitem(sys.modules, "snippet", module)  # where frameworks resolve annotations
        names = vars(module)
        exec(compile(snippet, str(PAGE), "exec"), names)  # noqa: S102 — it is ours
        if "app" in names and '"/accounts"' in snippet:  # the others verify tokens of a service that does not run
            mounted += 1
            with TestClient(names["app"]) as client:
                assert client.get("/accounts/healthz").json() == {"status": "ok"}
    assert mounted == 2
    printed = set(capsys.readouterr().out.splitlines())
    assert {"1", "Grace Hopper", "code to grace@example.com", "['Please leave out the names of our products.']"} <= printed
