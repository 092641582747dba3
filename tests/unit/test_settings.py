import os
from base64 import b64encode, urlsafe_b64encode
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from secrets import token_bytes, token_urlsafe
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule import Limits, RateLimit
from vestibule.application import EventType
from vestibule.application.tokens import DRF_USER_CLAIMS
from vestibule.entrypoints.settings import Settings, SettingsError
from vestibule.entrypoints.settings.parsers import COSTS, secret_bytes

OPERATING = Path(__file__).parents[2] / "docs" / "operating.md"


def test_every_setting_has_a_default() -> None:
    assert Settings.from_environment({"PATH": "/bin"}) == Settings()


SAMPLES = {name: default for name, default, _ in Settings.table() if default} | {
    "VESTIBULE_DATABASE_URL": "postgresql://user:pass@host/name",
    "VESTIBULE_SECRET": "nVxTa7vsXaXQdh33rSZCRDiL0BJD8zLp15tP04e/wuo=",
    "VESTIBULE_FIREBASE_SIGNER_KEY": "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==",
    "VESTIBULE_EMAIL_HELO": "accounts.example.org",
    "VESTIBULE_TOKEN_CLAIMS": "username, email_verified",
    "VESTIBULE_KEYS_ROTATE_DAYS": "30",
    "VESTIBULE_COMPATIBILITY": "drf-user",
    "VESTIBULE_OTP_LENGTH": "8",
    "VESTIBULE_EMAIL_RATE": "0.5",
    "VESTIBULE_SMS_RATE": "12.125",
    "VESTIBULE_WEBHOOK_URL": "https://hooks.example.org",
    "VESTIBULE_WEBHOOK_SECRET": "whsec_new whsec_old",
    "VESTIBULE_WEBHOOK_EVENTS": "registered, logged_in",
    "VESTIBULE_REDIS_URL": "redis://host",
    "VESTIBULE_TEMPLATES_DIR": "/templates",
    "VESTIBULE_PUBLIC_URL": "https://accounts.example.org",
    "VESTIBULE_API_PREFIX": "/api/user",
    "VESTIBULE_TRUSTED_PROXIES": "10.0.0.0/8, fd00::/8",
    "VESTIBULE_CLIENT_ADDRESS_HEADER": "X-Real-IP",
    "VESTIBULE_CORS_HEADERS": "X-My-Header, X-Other",
    "VESTIBULE_ALLOWED_HOSTS": "accounts.example.org",
    "VESTIBULE_CORS_ORIGINS": "https://app.example.org",
    "VESTIBULE_REVOCATIONS_SECRET": "0123456789abcdef0123456789abcdef",
    "VESTIBULE_DOCS": "off",
    "VESTIBULE_ACCESS_LOG": "on",
    "VESTIBULE_METRICS_PORT": "9100",
    "VESTIBULE_DEFAULT_REGION": "DE",
    "VESTIBULE_MOBILE_REGIONS": "DE, AT",
    "VESTIBULE_PWNED_PASSWORDS": "https://pwned.example.org/range",
    "VESTIBULE_LEGACY_DIRECTORY_URL": "https://old.example.org/check",
    "VESTIBULE_LEGACY_DIRECTORY_SECRET": "0123456789abcdef0123456789abcdef",
    "VESTIBULE_INVITATION_URL": "https://app.example.org/join?invitation={token}",
    "VESTIBULE_EMAIL_DOMAINS": "example.com, *.example.org, !spam.example",
}
"""A valid text of every setting, in the spelling that `table` prints."""


def refusal_of(environment: dict[str, str]) -> str | None:
    """Returns the one line of the refusal, None where the settings are accepted. Another exception fails the test."""
    try:
        Settings.from_environment(environment)
    except SettingsError as refusal:
        (line,) = str(refusal).splitlines()
        assert line.isprintable()
        return line
    return None


@pytest.mark.parametrize("text", ["", "  ", "\n", '""', "' '"])
def test_empty_variable_is_not_set(text: str, tmp_path: Path) -> None:
    for name in SAMPLES:
        (tmp_path / "file").write_text(SAMPLES[name])
        assert Settings.from_environment({name: text}) == Settings()
        assert Settings.from_environment({f"{name}_FILE": text}) == Settings()
        both = {name: text, f"{name}_FILE": str(tmp_path / "file")}
        assert Settings.from_environment(both) == Settings.from_environment({name: SAMPLES[name]})


@pytest.mark.parametrize("form", ['"{}"', "'{}'", " {}\t", '" {} "', "{}\r\n", "\n\n{}\n"])
def test_blanks_and_quotes_around_a_text_are_no_part_of_it(form: str, tmp_path: Path) -> None:
    for name in SAMPLES:
        given = Settings.from_environment({name: SAMPLES[name]})
        text = form.format(SAMPLES[name])
        assert Settings.from_environment({name: text}) == given
        for begin in (b"", b"\xef\xbb\xbf"):
            (tmp_path / "file").write_bytes(begin + text.encode())
            assert Settings.from_environment({f"{name}_FILE": str(tmp_path / "file")}) == given
            assert Settings.from_environment({f"{name}_FILE": f'"{tmp_path / "file"}"\n'}) == given


@pytest.mark.parametrize(
    "text",
    [
        *(
            "8000.0",
            "yes",
            "-1",
            "1e3",
            "1_000",
            "+5",
            "0x10",
            "\u0668\u0660\u0660\u0660",
            "\uff11",
            "\u00b2",
            "nan",
            "null",
            "None",
        ),
        *(
            "[]",
            "{}",
            "sEcReT-value",
            "sEcReT:value",
            "http://[sEcReT",
            "//sEcReT",
            ",",
            ";",
            "9" * 5000,
            "x" * 70_000,
            "a" * 64,
        ),
        *(
            "sEcReT\x00",
            "sEcReT\x1b[2J",
            "sEcReT\udcff",
            "sEcReT\x9b",
            "two\nlines",
            "bi\u202edi",
            "\ufeff8000",
            '"8000',
            "8000'",
        ),
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_text_of_another_type_is_accepted_or_refused_in_one_line(text: str) -> None:
    for name in SAMPLES:
        line = refusal_of({name: text})
        assert line is None or (line.startswith(f"{name}: must ") and "sEcReT" not in line and len(line) < 1000), name


@pytest.mark.parametrize(
    "text", ["8000.0", "-1", "1e3", "1_000", "+5", "\u0668\u0660\u0660\u0660", "\uff11", "9" * 5000, '"8000']
)
def test_number_has_ascii_digits_alone(text: str) -> None:
    numbers = [name for name, default, _ in Settings.table() if default.isdigit()]
    assert len(numbers) > 10
    for name in numbers:
        assert refusal_of({name: text}), name


def test_every_setting_has_a_sample() -> None:
    assert sorted(SAMPLES) == sorted(name for name, _, _ in Settings.table())


@given(st.sampled_from(sorted(SAMPLES)), st.text(max_size=40))
def test_any_text_is_accepted_or_refused_in_one_line(name: str, text: str) -> None:
    line = refusal_of({name: text})
    assert line is None or line.startswith(f"{name}: must ")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"", "is empty"),
        (b"\xef\xbb\xbf \n", "is empty"),
        (b"8" * 70_000, "is larger than 64 KiB"),
        ("sEcReT".encode("utf-16"), "must be text in UTF-8"),
        (b"sEcReT\xff", "must be text in UTF-8"),
        (b"sEcReT\x00", "must be text in UTF-8, without control characters"),
    ],
)
def test_unusable_file_is_refused_in_one_line(content: bytes | None, reason: str, tmp_path: Path) -> None:
    for name in SAMPLES:
        if content is not None:
            (tmp_path / "file").write_bytes(content)
        line = refusal_of({f"{name}_FILE": str(tmp_path / "file")})
        assert line is not None
        assert line.startswith(f"{name}_FILE: ")
        assert line.endswith(f"{reason}.")
        assert "sEcReT" not in line


def test_only_a_regular_file_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        assert refusal_of({"VESTIBULE_SECRET_FILE": str(path)}) == "VESTIBULE_SECRET_FILE: must name a regular file."
    for path in (tmp_path / "loop", tmp_path / ("x" * 300), Path("/dev/null/x")):
        line = refusal_of({"VESTIBULE_SECRET_FILE": str(path)}) or ""
        assert line.startswith("VESTIBULE_SECRET_FILE: the file cannot be read (")


def injected(service: str) -> dict[str, str]:
    """What Kubernetes puts into every container for a Service of that name with the ports `http` and `scrape-me`."""
    link = "tcp://10.96.0.12:8000"
    return {
        f"{service}_SERVICE_HOST": "10.96.0.12",
        f"{service}_SERVICE_PORT": "8000",
        f"{service}_SERVICE_PORT_HTTP": "8000",
        f"{service}_SERVICE_PORT_SCRAPE_ME": "9100",
        f"{service}_PORT": link,
        f"{service}_PORT_8000_TCP": link,
        f"{service}_PORT_8000_TCP_PROTO": "tcp",
        f"{service}_PORT_8000_TCP_PORT": "8000",
        f"{service}_PORT_8000_TCP_ADDR": "10.96.0.12",
        f"{service}_PORT_5353_UDP": "udp://[fd00::12]:5353",
        f"{service}_PORT_5353_UDP_ADDR": "fd00::12",
    }


def test_variables_of_kubernetes_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("9000")
    services = ("", "_REDIS", "_IMAGES", "_METRICS", "_2", "_SERVICE", "_PORT", "_HTTP_SERVICE_PORT")
    environment = {name: text for service in services for name, text in injected(f"VESTIBULE{service}").items()}
    assert len(environment) == len(services) * 11 - 1
    assert Settings.from_environment(environment) == Settings()
    assert Settings.from_environment(environment | {"VESTIBULE_PORT_FILE": str(tmp_path / "port")}) == Settings(port=9000)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("VESTIBULE_REDIS_PORT", "8000"),
        ("VESTIBULE_HTTP_PORT", "8000"),
        ("VESTIBULE_REDIS_HOST", "10.96.0.12"),
        ("VESTIBULE_PORT_8000", "tcp://10.96.0.12:8000"),
        ("VESTIBULE_HOST_PORTS", "tcp://10.96.0.12:8000"),
        ("VESTIBULESERVICE_HOST", "10.96.0.12"),
    ],
)
def test_variable_that_only_resembles_those_of_kubernetes_is_refused(variable: str, text: str) -> None:
    line = refusal_of({variable: text})
    assert (line is None) is not variable.startswith("VESTIBULE_"), "other programs have variables of their own"


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("VESTIBULE_PROT", "VESTIBULE_PORT"),
        ("VESTIBULE_DATABSE_URL", "VESTIBULE_DATABASE_URL"),
        ("VESTIBULE_EMAIL_URI_FILE", "VESTIBULE_EMAIL_URL"),
        ("VESTIBULE_Port", "VESTIBULE_PORT"),
        ("VESTIBULE_LIMIT_CALLS_PER_NETWORKS", "VESTIBULE_LIMIT_CALLS_PER_NETWORK"),
        ("VESTIBULE_PUBLICURL", "VESTIBULE_PUBLIC_URL"),
    ],
)
def test_unknown_variable_is_refused_with_the_nearest_name(variable: str, nearest: str) -> None:
    line = f"{variable} is not a setting; did you mean {nearest}? `vestibule settings` lists them."
    assert refusal_of({variable: "sEcReT"}) == line


@pytest.mark.parametrize(
    "variable", ["VESTIBULE_", "VESTIBULE_COLOUR", "VESTIBULE_\x1b[2J", "VESTIBULE_A\nB", "VESTIBULE_\udcff"]
)
def test_unknown_variable_without_a_near_name_is_refused(variable: str) -> None:
    line = refusal_of({variable: "sEcReT"}) or ""
    assert line.endswith(" is not a setting; `vestibule settings` lists them.")


def test_each_setting_is_read_from_its_variable() -> None:
    settings = Settings.from_environment(
        {
            "VESTIBULE_PORT": "9000",
            "VESTIBULE_API_PREFIX": "/api/user/",
            "VESTIBULE_TRUSTED_PROXIES": "10.0.0.0/8, ::1",
            "VESTIBULE_RATE_LIMITS": "off",
            "VESTIBULE_DEFAULT_REGION": "de",
            "VESTIBULE_PUBLIC_URL": "https://accounts.example.org/",
        }
    )
    assert (settings.port, settings.api_prefix, settings.rate_limits) == (9000, "/api/user", False)
    assert [str(network) for network in settings.trusted_proxies] == ["10.0.0.0/8", "::1/128"]
    assert (settings.default_region, settings.url, settings.has_docs) == ("DE", "https://accounts.example.org", False)


def test_compatibility_sets_the_length_of_codes_the_claims_and_the_rotation() -> None:
    plain, compatible = Settings(token_claims=("roles",)), Settings(compatibility="drf-user", token_claims=("roles", "name"))
    assert (plain.code_length, plain.access_claims, plain.rotates_refresh_tokens) == (6, ("roles",), True)
    assert (compatible.code_length, compatible.rotates_refresh_tokens) == (5, False)
    assert compatible.access_claims == (*DRF_USER_CLAIMS, "roles")
    assert Settings(compatibility="drf-user", otp_length=6).code_length == 6


def test_setting_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("smtp://user:secret@mail.example.org\n")
    settings = Settings.from_environment({"VESTIBULE_EMAIL_URL_FILE": str(tmp_path / "url")})
    assert settings.email_url == "smtp://user:secret@mail.example.org"
    assert "secret" not in repr(settings)


def test_webhook_secrets_are_hidden_and_its_events_are_parsed() -> None:
    settings = Settings.from_environment(
        {
            "VESTIBULE_WEBHOOK_URL": "https://hooks.example.org/capability",
            "VESTIBULE_WEBHOOK_SECRET": "whsec_new  whsec_old",
            "VESTIBULE_WEBHOOK_EVENTS": "Registered, login_failed",
        }
    )
    assert settings.webhook_secret == ("whsec_new", "whsec_old")
    assert settings.webhook_events == (EventType.REGISTERED, EventType.LOGIN_FAILED)
    assert "whsec" not in repr(settings)
    assert "capability" not in repr(settings)


@pytest.mark.parametrize("url", ["postgresql://user:secret@host:5432/name?sslmode=require", "postgres://user:secret@host/name"])
def test_database_url_is_hidden(url: str) -> None:
    settings = Settings.from_environment({"VESTIBULE_DATABASE_URL": url})
    assert settings.resolved_database_url == url
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("VESTIBULE_PROT", "8000"),
        ("VESTIBULE_PORT", "eighty"),
        ("VESTIBULE_PORT", "70000"),
        ("VESTIBULE_PORT", "²"),
        ("VESTIBULE_RATE_LIMITS", "perhaps"),
        ("VESTIBULE_DATABASE_URL", "mysql://secret@host/db"),
        ("VESTIBULE_EMAIL_URL", "pigeon:secret"),
        ("VESTIBULE_REDIS_URL", "memcached://:secret@host"),
        ("VESTIBULE_SMS_URL", "secret"),
        ("VESTIBULE_WEBHOOK_URL", "pigeon:secret"),
        ("VESTIBULE_WEBHOOK_SECRET", "secret"),
        ("VESTIBULE_FIREBASE_SIGNER_KEY", "secret"),
        ("VESTIBULE_WEBHOOK_EVENTS", "registered, secret"),
        ("VESTIBULE_WEBHOOK_EVENTS", "keys_changed"),
        ("VESTIBULE_IMAGES_URL", "file:///secret"),
        ("VESTIBULE_IMAGES_URL", "https://secret.s3.amazonaws.com/"),
        ("VESTIBULE_IMAGES_REDIRECT", "perhaps"),
        ("VESTIBULE_EMAIL_FROM", "nobody"),
        ("VESTIBULE_EMAIL_HELO", "two words"),
        ("VESTIBULE_EMAIL_HELO", "-x.example.org"),
        ("VESTIBULE_EMAIL_HELO", "192.0.2.1]"),
        ("VESTIBULE_EMAIL_HELO", "[192.0.2.256]"),
        ("VESTIBULE_EMAIL_HELO", "[2001:db8::1]"),
        ("VESTIBULE_COMPATIBILITY", "drf-secret"),
        ("VESTIBULE_OTP_LENGTH", "3"),
        ("VESTIBULE_OTP_SECONDS", "59"),
        ("VESTIBULE_OTP_SECONDS", "601"),
        ("VESTIBULE_ACCESS_SECONDS", "59"),
        ("VESTIBULE_ACCESS_SECONDS", "3601"),
        ("VESTIBULE_SESSION_IDLE_DAYS", "0"),
        ("VESTIBULE_SESSION_DAYS", "366"),
        ("VESTIBULE_MAX_SESSIONS", "0"),
        ("VESTIBULE_MAX_SESSIONS", "101"),
        ("VESTIBULE_TOKEN_ALGORITHM", "HS256"),
        ("VESTIBULE_KEYS_ROTATE_DAYS", "-1"),
        ("VESTIBULE_KEYS_ROTATE_DAYS", "3651"),
        ("VESTIBULE_TOKEN_CLAIMS", "username, groups"),
        ("VESTIBULE_TOKEN_CLAIMS", "sub"),
        ("VESTIBULE_PASSWORD_MIN_LENGTH", "7"),
        ("VESTIBULE_PUBLIC_URL", "accounts.example.org"),
        ("VESTIBULE_PUBLIC_URL", "https://user:secret@accounts.example.org"),
        ("VESTIBULE_PUBLIC_URL", "https://accounts.example.org:99999"),
        ("VESTIBULE_PUBLIC_URL", "https://[secret"),
        ("VESTIBULE_API_PREFIX", "/a b"),
        ("VESTIBULE_TRUSTED_PROXIES", "everybody"),
        ("VESTIBULE_DEFAULT_REGION", "Germany"),
        ("VESTIBULE_SERVICE_NAME", "Two\nlines"),
        ("VESTIBULE_PORT_FILE", "/does/not/exist"),
    ],
)
def test_invalid_setting_is_refused_by_name_without_its_value(variable: str, value: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings.from_environment({variable: value})
    assert variable in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("otp_length", 3),
        ("otp_cooldown", "soon"),
        ("password_min_length", 1),
        ("port", 70_000),
        ("workers", None),
        ("email_url", "pigeon:secret"),
        ("trusted_proxies", ("everybody",)),
        ("rate_limits", "perhaps"),
        ("default_region", "Germany"),
        ("otp_length", 6.0),
        ("otp_length", True),
        ("workers", True),
        ("email_rate", float("nan")),
        ("email_rate", float("inf")),
        ("email_rate", 0),
        ("fresh_login", False),
        ("fresh_login", 0),
        ("delivery", None),
        ("data_dir", None),
        ("service_name", None),
        ("service_name", b"Acme"),
        ("host", 127),
        ("allowed_hosts", {"accounts.example.org"}),
        ("allowed_hosts", (None,)),
        ("password_hash", (2, 19456, 1)),
        ("limits", None),
    ],
)
def test_value_of_a_program_is_validated(name: str, value: Any) -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings(**{name: value})
    assert str(refusal.value).startswith(f"{name}: ")
    assert "secret" not in str(refusal.value)


class Foreign:
    """A value of a type that no setting has, whose text would be a valid one."""

    def __str__(self) -> str:
        return "1"


FOREIGN: list[Any] = [
    Foreign(), b"1", 1j, {1: 1}, {"1"}, frozenset({"1"}), object, (Foreign(),), [None], float("nan"), Decimal(1)
]  # fmt: skip


@pytest.mark.parametrize("value", FOREIGN, ids=[f"{number} {type(value).__name__}" for number, value in enumerate(FOREIGN)])
@pytest.mark.parametrize("name", [item.name for item in fields(Settings)])
def test_value_of_a_foreign_type_is_refused_for_every_setting(name: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=rf"^{name}: must be "):
        Settings(**{name: value})


@pytest.mark.parametrize("item", fields(Settings), ids=lambda item: item.name)
def test_numbers_and_flags_have_exactly_their_type(item: Any) -> None:
    kind = type(item.default)
    others: dict[type, list[object]] = {
        int: [True, 6.0, 1e3, -1, 10**9],
        bool: [1, 0, 1.0],
        float: [True],
        str: [1, True, None],
    }
    for value in others.get(kind, []):
        with pytest.raises(SettingsError, match=rf"^{item.name}: must be "):
            Settings(**cast("dict[str, Any]", {item.name: value}))
    assert type(getattr(Settings(**{item.name: item.default}), item.name)) is kind


@pytest.mark.parametrize("item", fields(Limits), ids=lambda item: item.name)
def test_limits_have_exactly_their_type(item: Any) -> None:
    limits: list[Any] = [RateLimit(3, cast("float", "60")), RateLimit(True, 60), RateLimit(cast("int", 3.0), 60)]
    wrong = [None, True, 5.0, b"5", Foreign(), (None,), *limits]
    for value in wrong:
        with pytest.raises(SettingsError, match=rf"^limits\.{item.name}: must be "):
            Settings(limits=Limits(**{item.name: value}))


def test_texts_lists_and_paths_of_a_program_are_read() -> None:
    given: dict[str, Any] = {"port": "9000", "email_rate": 2, "data_dir": "here", "allowed_hosts": ["a.example"]}
    settings = Settings(**given, fresh_login=None, delivery=cast("bool", "off"))
    assert (settings.port, settings.email_rate, settings.data_dir) == (9000, 2.0, Path("here"))
    assert (settings.allowed_hosts, settings.fresh_login, settings.delivery) == (("a.example",), None, False)
    assert isinstance(settings.email_rate, float)


def test_value_of_a_program_equals_that_of_the_environment() -> None:
    given = Settings(trusted_proxies=("10.0.0.0/8",), default_region="de", rate_limits=False, password_hash=COSTS["strong"])  # type: ignore[arg-type]
    environment = {
        "VESTIBULE_TRUSTED_PROXIES": "10.0.0.0/8",
        "VESTIBULE_DEFAULT_REGION": "DE",
        "VESTIBULE_RATE_LIMITS": "off",
        "VESTIBULE_PASSWORD_HASH": "strong",
    }
    assert given == Settings.from_environment(environment)


def test_redis_url_is_hidden() -> None:
    settings = Settings.from_environment({"VESTIBULE_REDIS_URL": "rediss://:secret@redis.example.org/1"})
    assert settings.redis_url == "rediss://:secret@redis.example.org/1"
    assert "secret" not in repr(settings)


def test_images_may_be_stored_on_s3_with_redirects() -> None:
    settings = Settings.from_environment(
        {"VESTIBULE_IMAGES_URL": "s3://bucket/prefix", "VESTIBULE_IMAGES_REDIRECT": "on", "AWS_REGION": "eu-central-1"}
    )
    assert (settings.images_url, settings.images_redirect) == ("s3://bucket/prefix", True)


def test_setting_that_is_set_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("1")
    with pytest.raises(SettingsError, match=r"^VESTIBULE_PORT and VESTIBULE_PORT_FILE are both set: remove one of them\.$"):
        Settings.from_environment({"VESTIBULE_PORT": "1", "VESTIBULE_PORT_FILE": str(tmp_path / "port")})


def test_operating_page_lists_every_setting() -> None:
    page = OPERATING.read_text()
    for name, default, meaning in Settings.table():
        assert f"| `{name}` | {f'`{default}`' if default else ''} | {meaning} |" in page


def _base64(size: int) -> str:
    return b64encode(token_bytes(size)).decode()


@pytest.mark.parametrize(
    "secret",
    [_base64(32), _base64(48), token_urlsafe(32), token_bytes(32).hex(), token_bytes(32).hex().upper(), _base64(33) + "="],
    ids=str.__len__,  # random values would give each test process other names
)
def test_secret_in_base64_or_hex_is_accepted_and_hidden(secret: str) -> None:
    settings = Settings.from_environment({"VESTIBULE_SECRET": f" {secret} \n"})
    assert settings.secret == (secret,)
    assert Settings(secret=(secret,)) == settings
    assert secret not in repr(settings)


def test_secret_in_another_encoding_is_the_same() -> None:
    key = token_bytes(32)
    spelled = (key.hex(), key.hex().upper(), b64encode(key).decode(), urlsafe_b64encode(key).decode().rstrip("="))
    assert {secret_bytes(one) for one in spelled} == {key}


def test_several_secrets_are_read_from_a_file_in_order(tmp_path: Path) -> None:
    newer, older = _base64(32), _base64(32)
    (tmp_path / "secret").write_text(f"{newer},\n{older}\n")
    settings = Settings.from_environment({"VESTIBULE_SECRET_FILE": str(tmp_path / "secret")})
    assert settings.secret == (newer, older)


@pytest.mark.parametrize(
    "secret",
    [
        "changeme",
        _base64(31),
        token_bytes(31).hex(),
        f"{_base64(32)},",
        f"{_base64(32)} {_base64(32)}",
        "ä" * 64,
        "a" * 64,
        "Ab1" * 20,
        "0123456789abcdef" * 4,
        bytes(range(32)).hex(),
        b64encode(bytes(range(100, 164))).decode(),
        "super-secret-jwt-token-with-at-least-32-characters-long",
        "correct-horse-battery-staple-correct-horse-battery-staple",
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=",
        "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=",
    ],
    ids=str.__len__,
)
def test_weak_or_published_secret_is_refused_without_showing_it(secret: str) -> None:
    with pytest.raises(SettingsError, match=r"^VESTIBULE_SECRET: must be .*openssl rand -base64 32") as refusal:
        Settings.from_environment({"VESTIBULE_SECRET": secret})
    assert "\n" not in str(refusal.value)
    assert not secret or secret not in str(refusal.value)


def test_random_secret_is_never_refused() -> None:
    for _ in range(500):
        for secret in (token_urlsafe(32), token_bytes(32).hex()):
            assert Settings.from_environment({"VESTIBULE_SECRET": secret}).secret == (secret,)


def test_each_limit_is_read_from_its_variable(tmp_path: Path) -> None:
    (tmp_path / "limit").write_text("7/hour\n")
    settings = Settings.from_environment(
        {
            "VESTIBULE_LIMIT_CALLS_PER_NETWORK": "5000/DAY, 60/min,2 / 5 seconds",
            "VESTIBULE_LIMIT_WRONG_CODES_PER_CODE": "3",
            "VESTIBULE_LIMIT_EXPORTS_PER_ACCOUNT_FILE": str(tmp_path / "limit"),
        }
    )
    assert settings.limits == Limits(
        calls_per_network=(RateLimit(2, 5), RateLimit(60, 60), RateLimit(5000, 86_400)),
        wrong_codes_per_code=3,
        exports_per_account=(RateLimit(7, 3600),),
    )
    assert settings == Settings(limits=settings.limits)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1/s", 1),
        ("1/1 sec", 1),
        ("1/90second", 90),
        ("1/min", 60),
        ("1/5 minutes", 300),
        ("1/h", 3600),
        ("1/2hours", 7200),
        ("1/d", 86_400),
        ("1/30 days", 2_592_000),
        ("1/2592000s", 2_592_000),
    ],
)
def test_period_of_a_limit_has_a_number_and_a_unit(text: str, seconds: float) -> None:
    environment = {"VESTIBULE_LIMIT_UPLOADS_PER_ACCOUNT": text}
    assert Settings.from_environment(environment).limits.uploads_per_account == (RateLimit(1, seconds),)


@pytest.mark.parametrize(
    "text",
    [
        *("3", "3/", "/hour", "3/week", "-3/hour", "3/hour/day", "3/hour 5/day", "3/1.5h", "three/hour", "\u0663/hour"),
        *("0/hour", "100001/hour", "1/0s", "1/31d", "1/2592001s", "3/hour, 4/60min", "3/hour,"),
    ],
)
def test_invalid_limit_is_refused_in_one_line(text: str) -> None:
    for name in ("LIMIT_CALLS_PER_NETWORK", "LIMIT_CODES_PER_UNKNOWN_NETWORK"):
        with pytest.raises(SettingsError, match=rf"^VESTIBULE_{name}: must [^\n]+\.$"):
            Settings.from_environment({f"VESTIBULE_{name}": text})


@pytest.mark.parametrize("text", ["0", "100001", "5/hour", "many"])
def test_limit_without_a_period_is_a_whole_number(text: str) -> None:
    with pytest.raises(SettingsError, match="VESTIBULE_LIMIT_FAILED_LOGINS_IN_A_ROW: must be a whole number"):
        Settings.from_environment({"VESTIBULE_LIMIT_FAILED_LOGINS_IN_A_ROW": text})


@pytest.mark.parametrize(
    "limit", [(), 5, "three", RateLimit(0, 60), (RateLimit(3, 7.5),), (RateLimit(3, 60), RateLimit(4, 60)), None, True]
)
def test_limits_of_a_program_are_validated(limit: Any) -> None:
    with pytest.raises(SettingsError, match=r"^limits\.calls_per_network: must "):
        Settings(limits=Limits(calls_per_network=limit))
    with pytest.raises(SettingsError, match=r"^limits\.wrong_codes_per_code: must "):
        Settings(limits=Limits(wrong_codes_per_code=limit if limit != 5 else 0))


def test_limits_of_another_type_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"^limits: must be Limits, not dict\.$"):
        Settings(limits={"calls_per_network": 5})  # type: ignore[arg-type]


def test_defaults_of_limits_are_written_as_they_are_read() -> None:
    defaults = {name: default for name, default, _ in Settings.table() if name.startswith("VESTIBULE_LIMIT_")}
    assert len(defaults) == 25
    assert Settings.from_environment(defaults) == Settings()
