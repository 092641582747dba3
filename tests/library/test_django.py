"""The Django examples: one called by Django's own test client, one served by Django and asked by Vestibule."""

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


SECRET = "b7e1c4a9d2f36508be4a7c1d9f02e6a3"
OLD_PROJECT = """
import sys
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, make_server
import django
from django.conf import settings
settings.configure(
    ROOT_URLCONF="__main__", SECRET_KEY="of this test", ALLOWED_HOSTS=["127.0.0.1"], USE_TZ=True,
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}},
)
django.setup()
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.urls import path
from django_legacy_directory import SECRET, check_password
urlpatterns = [path("check-password/", check_password)]
call_command("migrate", verbosity=0)
password = "the engine weaves algebra"
ada = User.objects.create_user("ada", "ada@mail.example.com", password, first_name="Ada", last_name="Lovelace")
User.objects.create_user("eve", "eve@mail.example.com", password, is_active=False)

class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass

server = make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Quiet)
Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

from vestibule import InvalidCredentials, Unavailable
from vestibule.adapters.legacy_directory import HttpLegacyDirectory
from vestibule.testing import World

url = f"http://127.0.0.1:{server.server_port}/check-password/"
HttpLegacyDirectory(url, SECRET).probe()
world = World(legacy_directory=HttpLegacyDirectory(url, SECRET))
for name, text, expected in [
    ("ada", "wrong", InvalidCredentials),
    ("eve", password, InvalidCredentials),
    ("bob", password, InvalidCredentials),
]:
    try:
        world.log_in(username=name, password=text)
    except expected:
        continue
    raise AssertionError(name)
account = world.log_in_as("Ada@mail.example.com", password).account
assert (account.username.text, account.name, account.email.text) == ("ada", "Ada Lovelace", "ada@mail.example.com")
assert account.created_at == ada.date_joined.timestamp() and not account.email_verified
server.shutdown()
assert world.log_in_as("ada", password).account.id == account.id
try:
    World(legacy_directory=HttpLegacyDirectory(url, SECRET[::-1], timeout=0.5)).log_in(username="ada", password=password)
except Unavailable:
    print("done")
"""


@pytest.mark.slow
def test_users_of_a_django_project_log_in_with_their_old_passwords(tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(EXAMPLES), "VESTIBULE_LEGACY_DIRECTORY_SECRET": SECRET}
    command = [sys.executable, "-c", OLD_PROJECT, str(tmp_path / "old.db")]
    run = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert (run.stdout, run.returncode) == ("done\n", 0), run.stderr
