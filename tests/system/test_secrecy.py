"""Secrets and addresses appear neither in the log nor in the process list."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.support.command_line import vestibule
from tests.support.next_hops import Gateway, Relay, gateway_server, relay
from tests.support.processes import below, eventually
from tests.support.server import Server

from vestibule.entrypoints.settings import Settings

PASSWORDS = ["the first password of ann", "the second password of ann", "the third password of ann", "a wrong password of ann"]
EMAILS = ["ann.recognisable@example.com", "bob.recognisable@example.com", "cat.recognisable@example.com"]
MOBILES = ["4155550101", "4155550102", "4155550103"]
GATEWAYS_PASSWORD = "the-gateways-password"
MARKED = "recognisable-in-any-log"


@dataclass
class Visitor:
    """A client that records every secret in responses and messages."""

    server: Server
    mails: Relay
    texts: Gateway
    secrets: set[str] = field(default_factory=lambda: {*PASSWORDS, GATEWAYS_PASSWORD, MARKED, "ann.recog", "bob.recog"})
    codes: set[str] = field(default_factory=set)

    def call(self, method: str, path: str, body: object = None, *, token: str | None = None) -> Any:
        _, answer = self.server.call(method, path, body, token=token)
        for name in ("token", "refresh_token", "proof"):
            if name in answer:
                self.secrets.update(str(answer[name]).split("."))
        return answer

    def code(self, destination: str, **more: object) -> str:
        """Requests a code, and reads it from the mail or the SMS."""
        reference = self.call("POST", "/otp/", {"destination": destination, **more})["reference"]
        messages_to = self._mails_to if "@" in destination else self._texts_to
        assert eventually(lambda: reference in "".join(messages_to(destination)))
        (text,) = (text for text in messages_to(destination) if reference in text)
        (code,) = re.findall(r"(?<![\w.-])\d{6}(?![\w.-])", text)
        self.codes.add(code)
        return str(code)

    def _mails_to(self, to: str) -> list[str]:
        found = [message_from_bytes(raw, policy=policy.default) for _, [one], raw in self.mails.received if one == to]
        return [part.get_content() for mail in found if (part := mail.get_body(("plain",)))]

    def _texts_to(self, to: str) -> list[str]:
        found = [json.loads(body) for _, body in self.texts.received]
        return [one["message"] for one in found if one["to"] == to]


def visit(visitor: Visitor) -> None:
    """Calls every endpoint, with success and with failure."""
    call, (first, second, third, wrong), (ann, bob, _), (phone, other, _) = visitor.call, PASSWORDS, EMAILS, MOBILES
    account = {"username": "ann", "name": "Ann", "email": ann, "mobile": phone, "password": first}
    for body in (account, account, {**account, "username": ann}, {"email": f"{MARKED}@", "password": MARKED}):
        call("POST", "/register/", body)
    for name, password in (("ann", first), (ann, wrong), (phone, wrong), (bob, wrong), (wrong, MARKED), (ann, first)):
        tokens = call("POST", "/login/", {"username": name, "password": password})
    token = tokens["token"]
    for sent in (token, MARKED, f"{token}x", None):
        call("GET", "/account/", token=sent)
        call("GET", f"/account/?token={MARKED}&email={ann}", token=sent)
        call("PATCH", "/account/", {"name": "Anna", "password": second if sent == token else MARKED}, token=sent)
        call("PUT", "/account/", {**account, "password": third, "email": ann}, token=sent)
    call("POST", "/otp/", {"destination": ann, "verify_otp": visitor.code(ann)}, token=token)
    call("POST", "/otp/", {"destination": phone, "verify_otp": visitor.code(phone, email=bob), "is_login": True})
    call("POST", "/otp/", {"destination": bob, "verify_otp": MARKED})
    call("POST", "/otpreglogin/", {"name": "Bob", "email": bob, "mobile": other})
    call("POST", "/otpreglogin/", {"name": "Bob", "email": bob, "mobile": other, "verify_otp": "000000"})
    call("POST", "/password/reset/", {"email": ann, "otp": "000000", "password": second})
    for prop, value in (("email", ann), ("mobile", phone), ("username", MARKED), (MARKED, MARKED)):
        call("POST", "/isunique/", {"prop": prop, "value": value})
    tokens = call("POST", "/login/", {"username": "ann", "password": third})
    upload(visitor, tokens["token"])
    for refresh in (tokens["refresh_token"], tokens["refresh_token"], MARKED):
        tokens = {**tokens, **call("POST", "/refresh-token/", {"refresh": refresh})}
    call("GET", "/sessions/", token=tokens["token"])
    call("DELETE", "/sessions/", token=tokens["token"])
    call("DELETE", f"/sessions/{MARKED}/", token=tokens["token"])
    for sent in (tokens["token"], MARKED):
        call("GET", "/account/export/", token=sent)
        call("POST", "/account/export/", {"current_password": third}, token=sent)
        call("DELETE", "/upload-image/", token=sent)
    call("DELETE", "/account/", {"current_password": MARKED}, token=tokens["token"])
    call("POST", "/logout/", {"refresh": MARKED})
    call("POST", "/logout/", token=tokens["token"])
    for path in (
        "/healthz",
        "/readyz",
        "/.well-known/jwks.json",
        "/.well-known/openid-configuration",
        f"/{MARKED}",
        f"/images/{MARKED}",
        f"/%{MARKED}?{MARKED}",
    ):
        call("GET", path)
    visit_as_operator(visitor)


def visit_as_operator(visitor: Visitor) -> None:
    """Makes every call of operators once, that which removes the account at the end."""
    fields = {"username": "operator", "email": EMAILS[2], "name": "Operator"}
    options = [word for name, value in fields.items() for word in (f"--{name}", value)]
    environment = {"VESTIBULE_DATA_DIR": str(visitor.server.data_dir)}
    made = vestibule("create-superuser", *options, "--password-file", "-", stdin=f"{PASSWORDS[0]}\n", **environment)
    assert made.returncode == 0, made.stderr
    token = visitor.call("POST", "/login/", {"username": "operator", "password": PASSWORDS[0]})["token"]
    _, document = visitor.server.call("GET", "/openapi.json")
    paths = [(method, path) for path, methods in document["paths"].items() for method in methods if path.startswith("/admin/")]
    for method, path in sorted(paths, key=lambda call: call[0] == "delete"):
        called = path.replace("{account_id}", "1").replace("{message_id}", MARKED)
        body = {"reason": MARKED, "email": MARKED, "current_password": PASSWORDS[0]}
        visitor.call(method.upper(), f"{called}?query={MARKED}", None if method == "get" else body, token=token)


def upload(visitor: Visitor, token: str) -> None:
    picture = BytesIO()
    Image.new("RGB", (20, 20), "teal").save(picture, "PNG")
    for name, content in (("profile_image", picture.getvalue()), (MARKED, MARKED.encode())):
        part = f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="{MARKED}.png"\r\n\r\n'.encode()
        headers = {"Content-Type": "multipart/form-data; boundary=b", "Authorization": f"Bearer {token}"}
        visitor.server.send("POST", "/upload-image/", part + content + b"\r\n--b--\r\n", headers)


StartServer = Callable[..., Visitor]


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Starts servers that send by SMTP and HTTP, so that their output has no messages."""
    with relay() as mails, gateway_server() as texts:
        servers: list[Server] = []

        def started(**settings: Any) -> Visitor:
            urls: dict[str, Any] = {
                "email_url": f"smtp://127.0.0.1:{mails.port}?starttls=off",
                "sms_url": f"json://vestibule:{GATEWAYS_PASSWORD}@127.0.0.1:{texts.port}/send",
            }
            servers.append(Server(tmp_path / "data", log_level="debug", **urls, **settings).__enter__())
            return Visitor(servers[-1], mails, texts)

        yield started
        for server in servers:
            server.kill()


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_log_contains_no_secret_and_no_address(log_format: str, start_server: StartServer) -> None:
    visitor = start_server(log_format=log_format, access_log="on")
    visit(visitor)
    visitor.mails.answers["RCPT"] = f"550 5.1.1 <{EMAILS[2]}> {MARKED} unknown"
    visitor.texts.status = 500
    visitor.call("POST", "/otpreglogin/", {"name": "Cat", "email": EMAILS[2], "mobile": MOBILES[2]})
    assert eventually(lambda: visitor.server.output.count("vestibule.delivery") >= 2), "the failures are logged"
    visitor.server.stop()
    log = visitor.server.output
    secrets = visitor.secrets | {*EMAILS, *MOBILES, *(f"+1{mobile}" for mobile in MOBILES)}
    assert {secret for secret in secrets if len(secret) > 5 and secret in log} == set()
    assert {code for code in visitor.codes if re.search(rf"(?<!\w){code}(?!\w)", log)} == set()
    assert len(visitor.codes) == 2
    assert "Traceback" not in log
    if log_format == "json":
        assert all({"ts", "level", "logger", "message"} <= set(json.loads(line)) for line in log.splitlines())


def test_each_endpoint_is_visited_and_each_call_logged(start_server: StartServer) -> None:
    visitor = start_server(log_format="json")
    _, document = visitor.server.call("GET", "/openapi.json")
    visit(visitor)
    visitor.server.stop()
    lines = [json.loads(line) for line in visitor.server.output.splitlines()]
    visited = {(line["method"].lower(), line["route"].rstrip("/")) for line in lines if line.get("route")}
    assert visited >= {(method, path.rstrip("/")) for path, methods in document["paths"].items() for method in methods}
    assert {line["status"] for line in lines if "status" in line} <= {200, 201, 202, 204, 400, 401, 403, 404, 415, 429}
    parameters = [
        one
        for path, methods in document["paths"].items()
        for call in methods.values()
        for one in call.get("parameters", [])
        if not path.startswith("/admin/")  # an address is no secret to operators, and their queries are not logged
    ]
    assert {one["in"] for one in parameters} == {"path"}, "no endpoint takes a secret in a query"


def test_process_list_shows_no_secret(start_server: StartServer) -> None:
    visitor = start_server(workers="2")
    visit(visitor)
    pid = visitor.server.process.pid
    commands = [Path(f"/proc/{pid}/cmdline").read_text(), *(process.command for process in below(pid))]
    assert len(commands) >= 3, "the server, its workers and the processes that decode images"
    assert not [command for command in commands for secret in visitor.secrets if secret in command]


def test_repr_of_settings_hides_secrets(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("redis://:hunter2@localhost")
    settings = Settings.from_environment(
        {
            "VESTIBULE_DATABASE_URL": "postgresql://vestibule:hunter2@localhost/vestibule",
            "VESTIBULE_EMAIL_URL": "smtps://vestibule:hunter2@localhost",
            "VESTIBULE_SMS_URL": "twilio://hunter2:hunter2@localhost",
            "VESTIBULE_REDIS_URL_FILE": str(tmp_path / "file"),
        }
    )
    assert settings.redis_url == "redis://:hunter2@localhost"
    assert "hunter2" not in f"{settings!r} {settings}"
