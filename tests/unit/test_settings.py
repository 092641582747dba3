from base64 import b64encode, urlsafe_b64encode
from pathlib import Path
from secrets import token_bytes, token_urlsafe
from typing import Any

import pytest

from vestibule import Limits, RateLimit
from vestibule.application import EventType
from vestibule.entrypoints.settings import Settings, SettingsError
from vestibule.entrypoints.settings.parsers import COSTS, secret_bytes

OPERATING = Path(__file__).parents[2] / "docs" / "operating.md"


def test_every_setting_has_a_default() -> None:
    assert Settings.from_environment({"PATH": "/bin"}) == Settings()


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


def test_setting_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("smtp://user:secret@mail.example.org\n")
    settings = Settings.from_environment({"VESTIBULE_EMAIL_URL_FILE": str(tmp_path / "url")})
    assert settings.email_url == "smtp://user:secret@mail.example.org"
    assert "secret" not in repr(settings)


def test_webhook_secrets_are_hidden_and_its_events_are_parsed() -> None:
    settings = Settings.from_environment(
        {
            "VESTIBULE_WEBHOOK_URL": "https://hooks.example.org/token",
            "VESTIBULE_WEBHOOK_SECRET": "whsec_new  whsec_old",
            "VESTIBULE_WEBHOOK_EVENTS": "Registered, login_failed",
        }
    )
    assert settings.webhook_secret == ("whsec_new", "whsec_old")
    assert settings.webhook_events == (EventType.REGISTERED, EventType.LOGIN_FAILED)
    assert "whsec" not in repr(settings)
    assert "token" not in repr(settings)


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
        ("VESTIBULE_WEBHOOK_EVENTS", "registered, secret"),
        ("VESTIBULE_WEBHOOK_EVENTS", "keys_changed"),
        ("VESTIBULE_IMAGES_URL", "file:///secret"),
        ("VESTIBULE_IMAGES_URL", "https://secret.s3.amazonaws.com/"),
        ("VESTIBULE_IMAGES_REDIRECT", "perhaps"),
        ("VESTIBULE_EMAIL_FROM", "nobody"),
        ("VESTIBULE_OTP_LENGTH", "3"),
        ("VESTIBULE_PASSWORD_MIN_LENGTH", "7"),
        ("VESTIBULE_PUBLIC_URL", "accounts.example.org"),
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
    ],
)
def test_value_of_a_program_is_validated(name: str, value: Any) -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings(**{name: value})
    assert str(refusal.value).startswith(f"{name}: ")
    assert "secret" not in str(refusal.value)


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
    with pytest.raises(SettingsError, match="VESTIBULE_PORT"):
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
        "",
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
        *("", "3", "3/", "/hour", "3/week", "-3/hour", "3/hour/day", "3/hour 5/day", "3/1.5h", "three/hour", "\u0663/hour"),
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
    with pytest.raises(SettingsError, match=r"^limits: must be a Limits\.$"):
        Settings(limits={"calls_per_network": 5})  # type: ignore[arg-type]


def test_defaults_of_limits_are_written_as_they_are_read() -> None:
    defaults = {name: default for name, default, _ in Settings.table() if name.startswith("VESTIBULE_LIMIT_")}
    assert len(defaults) == 23
    assert Settings.from_environment(defaults) == Settings()
