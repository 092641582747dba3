"""`vestibule doctor` with real servers, whole and broken."""

import json
import os
import pty
import re
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import pytest
from apprise.plugins.twilio import NotifyTwilio
from redis import Redis
from tests.support.breached_passwords import ranges_server
from tests.support.command_line import vestibule as run
from tests.support.legacy_system import SECRET as LEGACY_SECRET
from tests.support.legacy_system import legacy_system
from tests.support.next_hops import Relay, gateway_server, relay
from tests.support.postgres_server import PostgresServer
from tests.support.processes import eventually
from tests.support.redis_server import RedisServer
from tests.support.reverse_proxies import reverse_proxy
from tests.support.s3_server import S3Server
from tests.support.server import VESTIBULE, Server, free_port
from tests.support.webhook_receiver import SECRET, Receiver

import vestibule
from vestibule.adapters.database import migrate
from vestibule.adapters.keys import HmacCodes, KeySet
from vestibule.entrypoints.container.operator import is_token, new_token
from vestibule.entrypoints.doctor.diagnosis import CHECKS, NAMES, diagnose
from vestibule.entrypoints.doctor.findings import Level, check, clock_of
from vestibule.entrypoints.settings import Settings

PHRASE = "the engine weaves algebra"
PASSWORD = "p%40ss%2Fw%3Ard%23%3F%25"
SECRETS = ("hunter2", "wr0ngp4ss", PASSWORD, "p@ss/w:rd#?%")
SLOW = ("hashing", "public-url")
OF_THE_MACHINE = ("sqlite", "hashing", "memory", "clock", "data")
"""Checks whose findings depend on the machine that runs the tests: a container loses its file system, for example."""

NEEDS_NO_CHECK = {
    "legacy_directory_name",
    *("send_timeout", "service_name", "log_format", "docs", "fresh_login", "token_claims", "recovery_days", "deletion_days"),
    *("password_min_length", "email_validation", "revocations_secret", "limits", "firebase_signer_key"),
    *("access_seconds", "max_sessions", "registration", "email_domains", "disposable_domains", "invitation_url", "admin"),
}
"""Settings whose every valid value works with every other setting and every machine."""


class Diagnosis:
    """What `vestibule doctor --json` printed."""

    def __init__(self, *options: str, without: tuple[str, ...] = SLOW, **settings: Any) -> None:
        left_out = [word for name in without for word in ("--without", name)]
        environment = {f"VESTIBULE_{name.upper()}": str(value) for name, value in settings.items()}
        aws = {name: environment.pop(f"VESTIBULE_{name}") for name in [*map(str.upper, settings)] if name.startswith("AWS_")}
        result = run("doctor", "--json", *left_out, *options, **environment, **aws)
        assert "Traceback" not in result.stderr, result.stderr
        self.output = result.stdout + result.stderr
        self.code = result.returncode
        self.report = json.loads(result.stdout)
        assert self.report["exit_code"] == self.code
        assert not any(secret in self.output for secret in SECRETS)

    def of(self, name: str, level: str | None = None) -> str:
        """Returns the texts and remedies of a check, by default those that are no `ok`."""
        found = [one for one in self.report["findings"] if one["check"] == name]
        wanted = [one for one in found if (one["level"] == level if level else one["level"] != "ok")]
        return "\n".join(f"{one['text']} -> {one['remedy']}" for one in wanted)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def mail_server() -> Iterator[Relay]:
    with relay(auth_require_tls=False, authenticator=True) as server:
        yield server


def test_empty_machine_is_in_order_and_stays_empty(data: Path) -> None:
    found = Diagnosis(without=OF_THE_MACHINE, data_dir=data)
    assert (found.code, found.report["level"]) == (0, "ok"), found.output
    found = Diagnosis(without=(), data_dir=data)
    assert "the first start makes it" in found.of("data", "ok")
    assert "Argon2 is " in found.of("hashing", "ok")
    assert " ms (t=2,m=19456,p=1)" in found.of("hashing", "ok")
    assert [*dict.fromkeys(one["check"] for one in found.report["findings"])] == [*NAMES]
    assert not data.exists()


def test_every_wrong_setting_is_named_and_the_other_checks_go_on(data: Path) -> None:
    wrong: dict[str, Any] = {"otp_length": 99, "email_from": "@@", "public_ulr": "https://x.example", "port": "many"}
    found = Diagnosis(data_dir=data, webhook_url="http://127.0.0.1:9/x", images_redirect="on", **wrong)
    assert found.code == 2
    for text in ("VESTIBULE_OTP_LENGTH: ", "VESTIBULE_EMAIL_FROM: ", "did you mean VESTIBULE_PUBLIC_URL?", "VESTIBULE_PORT: "):
        assert text in found.of("settings", "error")
    assert "not checked: VESTIBULE_EMAIL_FROM is invalid" in found.of("mail", "ok")
    assert "the first start makes it" in found.of("database", "ok")


def test_settings_that_contradict_each_other_are_all_errors(data: Path) -> None:
    found = Diagnosis(data_dir=data, webhook_url="http://127.0.0.1:9/x", images_redirect="on", metrics_port=8000)
    for text in ("WEBHOOK_SECRET and VESTIBULE_WEBHOOK_URL", "IMAGES_REDIRECT", "METRICS_PORT must differ"):
        assert text in found.of("settings", "error")


def test_each_setting_is_read_by_a_check_or_needs_none() -> None:
    checked = frozenset().union(*(each.settings for each in CHECKS))
    names = {field.name for field in fields(Settings)}
    assert checked <= names
    assert names - checked == NEEDS_NO_CHECK


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"public_url": "https://a.example"}, "mail is written to files"),
        ({"public_url": "https://a.example"}, "none is trusted"),
        ({"public_url": "http://a.example"}, "without encryption"),
        ({"public_url": "https://a.example", "mobile_required": True}, "SMS are written to files"),
        ({"public_url": "https://a.example", "rate_limits": False}, "limits per network are off"),
        ({"public_url": "https://a.example", "test_domains": True}, "no person can have"),
        ({"public_url": "https://a.example", "otp_length": 4}, "codes of 4 digits"),
        ({"public_url": "https://a.example", "compatibility": "drf-user"}, "codes of 5 digits"),
        ({"public_url": "https://a.example", "compatibility": "drf-user"}, "the theft of one goes unnoticed"),
        ({"public_url": "https://a.example:8443/x", "allowed_hosts": "b.example"}, "refuses a.example"),
        ({"public_url": "https://a.example", "cors_origins": "http://b.example"}, "pages of http://b.example"),
        ({"public_url": "https://a.example", "metrics_port": 9100, "metrics_host": "192.0.2.1"}, "metrics port"),
        ({"host": "192.0.2.1"}, "no address of clients"),
        ({"client_address_header": "X-Real-IP"}, "is not read"),
        ({"trusted_proxies": "10.0.0.0/8", "keep_alive_timeout": 30}, "502"),
        ({"cors_headers": "X-Mine"}, "CORS_HEADERS is not used"),
        ({"webhook_events": "registered"}, "WEBHOOK_EVENTS is not used"),
        ({"email_url": "smtp://127.0.0.1"}, "an address that does not exist"),
        ({"email_url": "smtp://127.0.0.1", "email_rate": "0.2"}, "delivers 720 an hour"),
        ({"sms_url": "json://127.0.0.1", "sms_rate": "0.2", "sms_per_hour": 1000}, "delivers 720 an hour"),
        ({"default_region": "DE", "mobile_regions": "AT"}, "excludes"),
        ({"access_log": True, "log_level": "error"}, "is not logged"),
        ({"rate_limits": False, "redis_url": "redis://127.0.0.1"}, "not used while limits are off"),
        ({"otp_seconds": 60, "otp_cooldown": 120}, "expires after 60 seconds"),
        ({"session_idle_days": 90, "session_days": 30}, "SESSION_IDLE_DAYS ends no session"),
        ({"dev": True}, "development mode"),
    ],
)
def test_settings_that_work_badly_together_are_named(data: Path, settings: dict[str, Any], text: str) -> None:
    def of_settings(**values: Any) -> list[str]:
        others = [name for name in NAMES if name not in {"settings", "limits"}]
        given: dict[str, Any] = {"data_dir": data, **values}
        return [str(one) for one in diagnose(Settings(**given), without=others) if one.level]

    assert of_settings() == []
    assert any(text in finding for finding in of_settings(**settings))


def test_mail_server_is_asked_without_a_mail(data: Path, mail_server: Relay) -> None:
    settings: dict[str, Any] = {"email_from": "Accounts <accounts@example.org>", "data_dir": data}
    url = f"127.0.0.1:{mail_server.port}?starttls=off"
    found = Diagnosis(email_url=f"smtp://vestibule:{PASSWORD}@{url}", **settings)
    assert f"127.0.0.1:{mail_server.port} accepts the sender without TLS, after a login" in found.of("mail", "ok")
    found = Diagnosis(email_url=f"smtp://vestibule:wr0ngp4ss@{url}", **settings)
    assert (found.code, "answers AUTH with 535" in found.of("mail", "error")) == (2, True)
    assert "check VESTIBULE_EMAIL_URL" in found.of("mail", "error")
    mail_server.answers["MAIL"] = "550 5.7.1 sender refused"
    found = Diagnosis(email_url=f"smtp://vestibule:{PASSWORD}@{url}", **settings)
    assert "answers MAIL with 550 5.7.1" in found.of("mail", "error")
    assert mail_server.received == []


def test_server_that_sends_nothing_ends_its_own_check_alone(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        found = Diagnosis("--timeout", "3", data_dir=data, email_url=f"smtp://127.0.0.1:{port}")
    assert "not finished within 3 seconds" in found.of("mail", "error")
    assert "the first start makes it" in found.of("database", "ok")


def test_sms_gateway_is_asked_without_an_sms(data: Path) -> None:
    with gateway_server() as gateway:
        found = Diagnosis(data_dir=data, sms_url=f"json://127.0.0.1:{gateway.port}/hunter2")
        assert f"http://127.0.0.1:{gateway.port} answers" in found.of("sms", "ok")
        assert gateway.received == []
    found = Diagnosis(data_dir=data, sms_url=f"json://127.0.0.1:{free_port()}/hunter2")
    assert "does not answer (Connection refused)" in found.of("sms", "error")


@contextmanager
def http_server(answers: Mapping[str, int], tls: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[str]]]:
    """Yields the URL of a server that answers GET by path, and the credentials that it has got."""
    credentials: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            credentials.append(self.headers.get("Authorization", ""))
            self.send_response(answers.get(self.path, 404))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(time.time() + 30 if timestamp is None else timestamp)

        def log_message(self, *_: object) -> None:
            """Logs nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}", credentials
        finally:
            server.shutdown()


@pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")  # Apprise's import
@pytest.mark.parametrize(
    ("status", "text"), [(200, "accepts the credentials"), (401, "answers 401 to the credentials -> check VESTIBULE_SMS_URL")]
)
def test_twilio_is_asked_whether_it_accepts_the_credentials(
    data: Path, status: int, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, secret = "AC" + "1" * 32, "2" * 32
    path = f"/2010-04-01/Accounts/{account}/IncomingPhoneNumbers.json?PageSize=1"
    with http_server({path: status}) as (url, credentials):
        real = NotifyTwilio.notify_sms_url.removeprefix("https://api.twilio.com")
        monkeypatch.setattr(NotifyTwilio, "notify_sms_url", url + real)
        settings = Settings(data_dir=data, sms_url=f"twilio://{account}:{secret}@+12025550100")
        found = diagnose(settings, without=[name for name in NAMES if name != "sms"])
    texts = [f"{one.text} -> {one.remedy}" for one in found if one.check == "sms"]
    assert any(text in one for one in texts), texts
    assert any("the clock of the SMS gateway is " in one for one in texts)
    assert [b64decode(one.removeprefix("Basic ")).decode() for one in credentials] == [f"{account}:{secret}"]
    assert not any(secret in one for one in texts)


def test_certificate_and_clock_of_the_public_url_are_checked(
    data: Path, tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with http_server({"/healthz": 200}, tls) as (url, _):
        found = Diagnosis("--url", url, without=("hashing",), data_dir=data)
        assert "its certificate is not accepted: self-signed certificate" in found.of("public-url", "error")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        found = Diagnosis("--url", url, without=("hashing",), data_dir=data)
        assert "the certificate ends in 1 days" in found.of("public-url", "warning")
        assert "ahead of this machine's" in found.of("public-url", "warning")
    with http_server({"/healthz": 502}, tls) as (url, _):
        found = Diagnosis("--url", url, without=("hashing",), data_dir=data)
        assert "/healthz answers 502" in found.of("public-url", "error")


def test_redis_with_the_documented_rights_alone_is_enough(data: Path, tmp_path: Path) -> None:
    documented = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()
    (rights,) = re.findall(r"ACL SETUSER vestibule on >password (.*)", documented)
    with RedisServer(tmp_path) as redis, closing(Redis.from_url(redis.url)) as opened:
        client: Any = opened
        client.execute_command("ACL", "SETUSER", "vestibule", "on", ">password", *rights.split())
        user = redis.url.replace("//", "//vestibule:password@")
        found = Diagnosis(data_dir=data, redis_url=user)
        assert f"Redis at 127.0.0.1:{redis.port} counts" in found.of("redis", "ok")
        client.execute_command("ACL", "SETUSER", "vestibule", "-evalsha")
        assert "NoPermissionError" in Diagnosis(data_dir=data, redis_url=user).of("redis", "error")


def test_keys_in_the_database_want_their_secret(data: Path) -> None:
    secret, other = token_hex(32), token_hex(32)
    with Server(data, secret=secret):
        pass
    assert "signing-1 signs" in Diagnosis(data_dir=data, secret=secret).of("keys", "ok")
    found = Diagnosis(data_dir=data, secret=other)
    assert "encrypted with another secret" in found.of("keys", "error")
    assert (secret in found.output, other in found.output) == (False, False)
    assert "VESTIBULE_SECRET is not set" in Diagnosis(data_dir=data).of("keys", "error")


def test_list_of_breached_passwords_is_asked_for_a_range(data: Path) -> None:
    with ranges_server() as known:
        settings: dict[str, Any] = {"data_dir": data, "pwned_passwords": known.url}
        assert "the list of breached passwords answers" in Diagnosis(**settings).of("passwords", "ok")
        known.answer = lambda _: (503, b"")
        assert "every password is accepted" in Diagnosis(**settings).of("passwords", "warning")
    assert "Connection refused" in Diagnosis(**settings).of("passwords", "warning")


def test_receiver_of_webhooks_is_asked_without_an_event(data: Path) -> None:
    receiver = Receiver()
    try:
        settings: dict[str, Any] = {"data_dir": data, "webhook_url": receiver.url, "webhook_secret": SECRET}
        assert "the receiver answers" in Diagnosis(**settings).of("webhook", "ok")
        assert receiver.calls == []
    finally:
        receiver.close()
    assert "Connection refused" in Diagnosis(**settings).of("webhook", "error")


def test_legacy_directory_is_asked_without_identifier_and_password(data: Path) -> None:
    with legacy_system() as old:
        settings: dict[str, Any] = {"data_dir": data, "legacy_directory_url": old.url, "legacy_directory_secret": LEGACY_SECRET}
        assert "answers, and accepts the secret" in Diagnosis(**settings).of("legacy", "ok")
        assert [(call["identifier"], call["password"]) for call in old.calls] == [("", "")]
        denied = Diagnosis(**settings | {"legacy_directory_secret": LEGACY_SECRET[::-1]})
        assert "(status 403): who is unknown here gets 503" in denied.of("legacy", "error")
        assert LEGACY_SECRET[::-1] not in denied.output
    assert "Connection refused" in Diagnosis(**settings).of("legacy", "error")
    found = Diagnosis(data_dir=data, legacy_directory_url="http://old.example.org/hunter2")
    assert "VESTIBULE_LEGACY_DIRECTORY_URL: set both or neither" in found.of("settings", "error")
    found = Diagnosis(**settings | {"legacy_directory_url": "http://old.example.org/hunter2"})
    assert "needs https" in found.of("settings", "error")
    assert found.code == 2


def test_redis_is_asked_to_count(data: Path, tmp_path: Path) -> None:
    with RedisServer(tmp_path, "--requirepass", "hunter2", "--maxmemory-policy", "allkeys-lru") as redis:
        url = redis.url.replace("//", "//:hunter2@")
        found = Diagnosis(data_dir=data, redis_url=url)
        assert f"at 127.0.0.1:{redis.port} counts" in found.of("redis", "ok")
        assert "allkeys-lru" in found.of("redis", "warning")
        found = Diagnosis(data_dir=data, redis_url=redis.url.replace("//", "//:wr0ngp4ss@"))
        assert "AuthenticationError" in found.of("redis", "error")
    found = Diagnosis(data_dir=data, redis_url=url)
    assert "ConnectionError" in found.of("redis", "error")


def test_s3_is_written_read_and_left_as_it_was(data: Path, s3_server: S3Server) -> None:
    bucket = f"images-{token_hex(8)}"
    settings: dict[str, Any] = {"data_dir": data, "images_url": f"s3://{bucket}/faces", **s3_server.environment()}
    found = Diagnosis(**settings)
    assert "writing an object failed (404 NoSuchBucket" in found.of("images", "error")
    s3_server.make(bucket)
    assert "was written, read and deleted" in Diagnosis(**settings).of("images", "ok")
    assert s3_server.names(bucket) == []


def test_postgresql_is_asked_for_schema_and_durability(data: Path, new_postgres: str) -> None:
    settings: dict[str, Any] = {"data_dir": data, "database_url": new_postgres}
    found = Diagnosis(**settings)
    assert "run `vestibule migrate`" in found.of("database", "error")
    vestibule_migrate = run("migrate", **{f"VESTIBULE_{name.upper()}": str(value) for name, value in settings.items()})
    assert vestibule_migrate.returncode == 0
    found = Diagnosis(**settings)
    assert "connections are enough for" in found.of("database", "ok")
    assert "the schema" not in found.output
    assert "counted for this node alone" in found.of("limits", "warning")
    assert "no message waits" in found.of("outbox", "ok")
    found = Diagnosis(workers=64, **settings)
    assert "64 worker(s) open up to 960 connections" in found.of("database", "warning")


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_region_other_than_that_of_the_mobiles_is_an_error(data: Path, kind: str, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("new_postgres") if kind == "postgres" else f"sqlite:///{data}/vestibule.db"
    data.mkdir()
    migrate(url)
    stored: dict[str, Any] = {"data_dir": data, "database_url": url, "default_region": "IN"}

    def found(**region: str) -> list[str]:
        checked = diagnose(Settings(**stored | {"default_region": None} | region), without=set(NAMES) - {"database"})
        return [str(finding) for finding in checked if finding.level is Level.ERROR]

    assert found() == [], "there is no mobile yet"
    with vestibule.build(Settings(**stored), run_workers=False) as accounts:
        fields: dict[str, Any] = {"username": "ada", "name": "Ada", "email": "ada@example.com", "password": PHRASE}
        accounts.register(**fields, mobile="9999999999")
    assert found(default_region="IN") == []
    rekey = "or see what another region changes: `vestibule accounts rekey --dry-run`"
    start = "the mobiles were read with the region IN, and VESTIBULE_DEFAULT_REGION has"
    assert found(default_region="DE") == [f"{start} the region DE: no server starts: set it to IN, {rekey}"]
    assert found() == [f"{start} no region: no server starts: set it to IN, {rekey}"]


def test_postgresql_that_loses_data_or_is_down_is_an_error(data: Path) -> None:
    with PostgresServer(synchronous_commit="off") as postgres:
        settings: dict[str, Any] = {"data_dir": data, "database_url": postgres.url.replace("postgres@", "postgres:hunter2@")}
        found = Diagnosis(**settings)
        assert "fsync off" in found.of("database", "error")
        assert "synchronous_commit off" in found.of("database", "warning")
    found = Diagnosis(**settings)
    assert "the database is unavailable" in found.of("database", "error")
    assert "not checked" in found.of("outbox", "ok")
    assert (found.code, found.of("data", "ok") != "") == (2, True)


def test_keys_are_described_and_their_loss_is_an_error(data: Path) -> None:
    with Server(data) as server:
        account = {"username": "ada", "name": "Ada", "email": "ada@example.com", "password": "the engine weaves algebra"}
        assert server.call("POST", "/register/", account)[0] == 201
        found = Diagnosis(data_dir=data)
        assert "signing-1 signs" in found.of("keys", "ok")
        assert "SQLite" in found.of("database", "ok")
    another = Diagnosis(data_dir=data, token_algorithm="ES256").of("keys", "warning")
    assert another.startswith("signing-1 is a key for EdDSA, and VESTIBULE_TOKEN_ALGORITHM is ES256 -> start the server")
    (data / "keys.json").rename(data / "elsewhere")
    found = Diagnosis(data_dir=data)
    assert "there are accounts, but no keys" in found.of("keys", "error")
    assert not (data / "keys.json").exists()
    (data / "keys.json").write_text('{"keys": [{"kind": "signing"}]}')
    (data / "keys.json").chmod(0o600)
    assert "key 1" in Diagnosis(data_dir=data).of("keys", "error")
    (data / "keys.json").chmod(0o644)
    assert "open to other users" in Diagnosis(data_dir=data).of("keys", "error")
    assert (data / "keys.json").stat().st_mode & 0o777 == 0o644, "the doctor changes nothing"


def test_damaged_and_foreign_databases_are_errors(data: Path) -> None:
    with Server(data):
        pass
    file = data / "vestibule.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    assert "newer than this program's" in Diagnosis(data_dir=data).of("database", "error")
    file.write_bytes(b"no database" * 1000)
    assert "the database is unavailable (file is not a database)" in Diagnosis(data_dir=data).of("database", "error")


_AS_ANOTHER_USER = """
import os, sys, vestibule
settings = vestibule.Settings(data_dir=sys.argv[1])
vestibule.diagnose(settings)  # imports, for which another user may lack permission
if os.geteuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
for finding in vestibule.diagnose(settings, without=("hashing", "sqlite")):
    print(finding.check, finding.level.name, finding)
"""


def test_another_user_learns_to_run_it_as_the_right_one() -> None:
    with TemporaryDirectory() as name:  # not below pytest's, which other users cannot enter
        Path(name).chmod(0o755)
        data = Path(name) / "data"
        with Server(data):
            pass
        data.chmod(0o700 if os.geteuid() == 0 else 0)
        result = subprocess.run([sys.executable, "-c", _AS_ANOTHER_USER, data], capture_output=True, text=True, check=True)
        data.chmod(0o700)
    lines = result.stdout.splitlines()
    for check_name in ("data", "database", "keys"):
        assert any(line.startswith(f"{check_name} ERROR ") and "the user of the service" in line for line in lines), lines
    assert not any("report this" in line for line in lines)


def test_waiting_and_failed_messages_are_counted(data: Path) -> None:
    with relay() as mail:
        mail.answers["RCPT"] = "550 5.1.1 no such user"
        url = f"smtp://127.0.0.1:{mail.port}?starttls=off"
        with Server(data, email_url=url, email_from="a@example.org") as server:
            assert server.call("POST", "/otp/", {"destination": "ada@example.com"})[0] == 201
            assert eventually(lambda: "failed permanently" in server.output)
    found = Diagnosis(data_dir=data)
    assert "1 email message(s) have failed" in found.of("outbox", "warning")
    with closing(sqlite3.connect(data / "vestibule.db")) as connection:
        connection.execute("UPDATE outbox SET due_at = 1000, failure_reason = NULL")
        connection.commit()
    assert "the oldest since 1970-01-01" in Diagnosis(data_dir=data).of("outbox", "error")


@contextmanager
def behind(proxy: str, directory: Path, changes: dict[str, str] | None = None, **settings: Any) -> Iterator[tuple[str, Server]]:
    with (
        Server(directory / "data", **settings) as server,
        reverse_proxy(proxy, directory / proxy, [server.port], changes=changes) as port,
    ):
        yield f"http://127.0.0.1:{port}", server


PASS = "proxy_pass http://accounts;"
FROM_ANOTHER_ADDRESS = {PASS: f"proxy_bind 127.0.3.1; {PASS}"}
"""Lets nginx call the server from an address that is not the doctor's."""


def of_public_url(directory: Path, changes: dict[str, str], **settings: str) -> Diagnosis:
    with behind("nginx", directory, changes, **settings) as (url, server):
        return Diagnosis("--url", url, without=("hashing",), data_dir=directory / "data", port=server.port)


def test_running_server_tells_how_a_call_came_through_the_proxy(tmp_path: Path) -> None:
    found = of_public_url(tmp_path, FROM_ANOTHER_ADDRESS, trusted_proxies="127.0.3.1")
    assert "was seen to come from 127.0.0.1, forwarded by 127.0.3.1" in found.of("public-url", "ok")
    assert found.of("public-url") == ""


def test_proxy_that_is_not_trusted_is_named(tmp_path: Path) -> None:
    found = of_public_url(tmp_path, FROM_ANOTHER_ADDRESS)
    assert "add 127.0.3.1 to VESTIBULE_TRUSTED_PROXIES" in found.of("public-url", "error")


def test_proxy_that_passes_on_invented_addresses_is_an_error(tmp_path: Path) -> None:
    replaced = "proxy_set_header X-Forwarded-For $remote_addr;"
    changes = FROM_ANOTHER_ADDRESS | {replaced: "proxy_set_header X-Forwarded-For $http_x_forwarded_for;"}
    found = of_public_url(tmp_path, changes, trusted_proxies="127.0.3.1")
    assert "callers can invent their address" in found.of("public-url", "error")


def test_doctor_on_a_trusted_machine_accuses_no_proxy(tmp_path: Path) -> None:
    found = of_public_url(tmp_path, {}, trusted_proxies="127.0.0.0/8")
    assert "another machine shows whether callers can invent an address" in found.of("public-url", "ok")
    assert found.of("public-url") == ""


def test_server_answers_what_it_sees_to_the_bearer_of_the_keys_alone(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server:
        url = f"http://127.0.0.1:{server.port}"
        for token in ("", "1", f"{10**9}.{'0' * 32}.AAAA", "x" * 5000, "1.2.3"):
            assert server.send("GET", "/healthz", None, {"X-Vestibule-Operator": token}) == (200, {"status": "ok"})
        other = Diagnosis("--url", url, without=("hashing",), data_dir=tmp_path / "other")
        assert "cannot be asked without the keys" in other.of("public-url", "ok")
        with Server(tmp_path / "other"):
            other = Diagnosis("--url", url, without=("hashing",), data_dir=tmp_path / "other")
            assert "it has other keys" in other.of("public-url", "warning")
        found = Diagnosis("--url", url, without=("hashing",), data_dir=tmp_path / "data", public_url="https://a.example")
        assert "names itself http://127.0.0.1" in found.of("public-url", "warning")
    found = Diagnosis("--url", url, without=("hashing",), data_dir=tmp_path / "data")
    assert "does not answer (Connection refused)" in found.of("public-url", "error")


def test_token_of_the_operator_is_valid_for_a_minute_and_for_its_keys() -> None:
    codes = HmacCodes(KeySet.generate())
    token = new_token(codes, 1000.9)
    assert new_token(codes, 1000.9) != token
    accepted = {now: is_token(codes, lambda now=now: now, token) for now in (939.0, 940.0, 1000.0, 1060.0, 1061.0)}  # type: ignore[misc]  # a default
    assert accepted == {939.0: False, 940.0: True, 1000.0: True, 1060.0: True, 1061.0: False}
    assert not is_token(HmacCodes(KeySet.generate()), lambda: 1000.0, token)
    assert not is_token(codes, lambda: 1000.0, "1001" + token[4:])


def test_terminal_of_80_columns_shows_every_line_whole(data: Path) -> None:
    primary, secondary = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "COLUMNS": "80", "TERM": "xterm", "VESTIBULE_DATA_DIR": str(data)}
    options = ["--without", "hashing"]
    process = subprocess.Popen([VESTIBULE, "doctor", *options], env=environment, stdout=secondary, stderr=secondary)
    os.close(secondary)
    shown = b""
    try:
        while part := os.read(primary, 65536):
            shown += part
    except OSError:  # Linux ends a pseudo-terminal so
        os.close(primary)
    process.wait(30)
    text = shown.decode()
    assert "Checking" in text
    assert "\x1b[32mok" in text
    plain = run("doctor", *options, VESTIBULE_DATA_DIR=str(data)).stdout
    assert "\x1b" not in plain
    assert max(map(len, plain.splitlines())) <= 80
    assert "…" not in plain


def test_monitors_get_one_line_and_the_usual_exit_codes(data: Path) -> None:
    settings = {"VESTIBULE_DATA_DIR": str(data), "VESTIBULE_CORS_HEADERS": "X-Mine"}
    left_out = (*(word for name in OF_THE_MACHINE for word in ("--without", name)), "--brief")
    result = run("doctor", *left_out, **settings)
    assert (result.returncode, result.stdout.count("\n")) == (1, 1)
    assert result.stdout.startswith("VESTIBULE WARNING: 1 warning; settings: VESTIBULE_CORS_HEADERS is not used")
    assert run("doctor", *left_out, "--without", "settings", **settings).returncode == 0
    result = run("doctor", "--without", "horoscope", **settings)
    assert (result.returncode, "There is no check 'horoscope'" in result.stderr) == (2, True)


def test_start_logs_the_warnings_of_the_same_checks(data: Path) -> None:
    with Server(data, cors_headers="X-Mine") as server:
        assert "WARNING vestibule.server: VESTIBULE_CORS_HEADERS is not used without VESTIBULE_CORS_ORIGINS: " in server.output


def test_check_that_raises_hides_no_other(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Settings) -> Iterator[vestibule.Finding]:
        yield next(iter(clock_of("Redis", 100.0, 0.0)))
        raise RuntimeError("hunter2")

    monkeypatch.setattr("vestibule.entrypoints.doctor.diagnosis.CHECKS", (check("broken", fail), *CHECKS[:-1]))
    findings = vestibule.diagnose(Settings(data_dir=data), without=("hashing",))
    texts = [finding.text for finding in findings if finding.check == "broken"]
    assert texts == ["the clock of Redis is 100 seconds ahead of this machine's", "the check failed (RuntimeError)"]
    assert [one.check for one in findings if one.level is Level.OK][-1] == "legacy"


@pytest.mark.parametrize(
    ("difference", "level"), [(0, None), (5, None), (-5, None), (6, Level.WARNING), (-61, Level.ERROR), (3600, Level.ERROR)]
)
def test_clocks_may_differ_by_seconds(difference: float, level: Level | None) -> None:
    assert next((one.level for one in clock_of("PostgreSQL", 1000.0 + difference, 1000.0)), None) is level
