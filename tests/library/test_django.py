"""The Django example, called by Django's own test client."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PROGRAM = """
import django_view
from django.test import Client
import django
django.setup()
client, ada = Client(), {"username": "ada", "name": "Ada", "email": "ada@example.com", "password": "the engine weaves algebra"}
assert client.post("/register/", ada).status_code == 201
refused = client.post("/register/", ada)
assert (refused.status_code, sorted(refused.json()["errors"])) == (400, ["email", "username"])
assert client.post("/log-in/", ada).json()["token"]
assert client.post("/log-in/", ada | {"password": "wrong"}).status_code == 401
for number in range(18):
    client.post("/register/", {})
assert client.post("/register/", {}).status_code == 429
print("done")
"""


@pytest.mark.slow
def test_django_view_registers_and_logs_in(tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(EXAMPLES), "DATA_DIR": str(tmp_path / "data")}
    run = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=False, capture_output=True, text=True)
    assert (run.stdout, run.returncode) == ("done\n", 0), run.stderr
