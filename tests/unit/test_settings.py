from pathlib import Path
from typing import Any

import pytest

from vestibule.application import What
from vestibule.entrypoints.settings import Settings, SettingsError
from vestibule.entrypoints.values import COSTS

OPERATING = Path(__file__).parents[2] / "docs" / "operating.md"


def test_nothing_has_to_be_set() -> None:
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


def test_a_setting_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("smtp://user:secret@mail.example.org\n")
    settings = Settings.from_environment({"VESTIBULE_EMAIL_URL_FILE": str(tmp_path / "url")})
    assert settings.email_url == "smtp://user:secret@mail.example.org"
    assert "secret" not in repr(settings)


def test_a_webhook_has_secrets_that_are_not_shown_and_events_by_name() -> None:
    settings = Settings.from_environment(
        {
            "VESTIBULE_WEBHOOK_URL": "https://hooks.example.org/token",
            "VESTIBULE_WEBHOOK_SECRET": "whsec_new  whsec_old",
            "VESTIBULE_WEBHOOK_EVENTS": "Registered, login_failed",
        }
    )
    assert settings.webhook_secret == ("whsec_new", "whsec_old")
    assert settings.webhook_events == (What.REGISTERED, What.LOGIN_FAILED)
    assert "whsec" not in repr(settings)
    assert "token" not in repr(settings)


@pytest.mark.parametrize("url", ["postgresql://user:secret@host:5432/name?sslmode=require", "postgres://user:secret@host/name"])
def test_a_database_elsewhere_is_named_by_its_url_which_is_not_shown(url: str) -> None:
    settings = Settings.from_environment({"VESTIBULE_DATABASE_URL": url})
    assert settings.accounts_url == url
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
def test_a_bad_setting_is_refused_in_one_line_that_names_it_and_not_its_value(variable: str, value: str) -> None:
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
def test_what_a_program_gives_is_held_to_the_same_rules(name: str, value: Any) -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings(**{name: value})
    assert str(refusal.value).startswith(f"{name}: ")
    assert "secret" not in str(refusal.value)


def test_what_a_program_gives_becomes_what_the_environment_would_have_said() -> None:
    given = Settings(trusted_proxies=("10.0.0.0/8",), default_region="de", rate_limits=False, password_hash=COSTS["strong"])  # type: ignore[arg-type]
    environment = {
        "VESTIBULE_TRUSTED_PROXIES": "10.0.0.0/8",
        "VESTIBULE_DEFAULT_REGION": "DE",
        "VESTIBULE_RATE_LIMITS": "off",
        "VESTIBULE_PASSWORD_HASH": "strong",
    }
    assert given == Settings.from_environment(environment)


def test_a_url_of_redis_is_taken_and_not_shown() -> None:
    settings = Settings.from_environment({"VESTIBULE_REDIS_URL": "rediss://:secret@redis.example.org/1"})
    assert settings.redis_url == "rediss://:secret@redis.example.org/1"
    assert "secret" not in repr(settings)


def test_images_may_be_on_s3_and_read_there() -> None:
    settings = Settings.from_environment(
        {"VESTIBULE_IMAGES_URL": "s3://bucket/prefix", "VESTIBULE_IMAGES_REDIRECT": "on", "AWS_REGION": "eu-central-1"}
    )
    assert (settings.images_url, settings.images_redirect) == ("s3://bucket/prefix", True)


def test_a_setting_is_not_given_twice(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("1")
    with pytest.raises(SettingsError, match="VESTIBULE_PORT"):
        Settings.from_environment({"VESTIBULE_PORT": "1", "VESTIBULE_PORT_FILE": str(tmp_path / "port")})


def test_the_operators_page_lists_every_setting_as_it_is() -> None:
    page = OPERATING.read_text()
    for name, default, meaning in Settings.table():
        assert f"| `{name}` | {f'`{default}`' if default else ''} | {meaning} |" in page
