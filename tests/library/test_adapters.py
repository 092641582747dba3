"""Adapters of the host application: Vestibule uses the given one, and neither builds, checks nor closes its own."""

import hashlib
import runpy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from secrets import token_urlsafe
from time import time
from typing import TYPE_CHECKING, Any

import pytest

from vestibule import Settings, SettingsError, build
from vestibule.adapters.database import MemoryDatabase
from vestibule.adapters.hasher import InsecureHasher
from vestibule.adapters.identifiers import LibraryIdentifiers
from vestibule.adapters.images import PassThroughImages
from vestibule.adapters.keys import HmacCodes, KeyManager, KeySet
from vestibule.adapters.notifier import MemoryNotifier
from vestibule.adapters.rate_limiter import MemoryRateLimiter
from vestibule.adapters.storage import MemoryStorage
from vestibule.application import AuditQuery, Caller, EventType, InvalidCredentials, Overloaded, RateLimited
from vestibule.application.ports import AccessClaims, ImportRecord, OutgoingMessage
from vestibule.entrypoints.container import Container
from vestibule.entrypoints.container.factories import rotates_keys
from vestibule.testing import MemoryLegacyDirectory

if TYPE_CHECKING:
    from vestibule import Adapters

PASSWORD = "the engine weaves algebra"
LINUX = "Mozilla/5.0 (X11; Linux x86_64)"
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "own_adapters.py"


class PlainTokens:
    """Tokens without a signature, which a test can recognise."""

    access_seconds = 300

    def issue_access(self, account_id: int, session_id: str, now: float, claims: Mapping[str, object] | None = None) -> str:
        return f"{account_id} {session_id}"

    def verify_access(self, text: str, now: float) -> AccessClaims | None:
        account_id, session_id = text.split()
        return AccessClaims(int(account_id), session_id, now + 1)

    def issue_refresh(self, session_id: str, generation: int) -> str:
        return f"{session_id} {generation}"

    def verify_refresh(self, text: str) -> tuple[str, int] | None:
        return None


class Closing(MemoryDatabase):
    closed = False

    def close(self) -> None:
        self.closed = True


def test_overridden_ports_are_not_built_checked_or_closed(tmp_path: Path) -> None:
    place = tmp_path / "a file"
    place.write_text("not a directory")
    invalid = Settings(
        data_dir=place / "data",
        database_url="sqlite:////nowhere/at/all.db",
        email_url="smtp://",
        sms_url="nonsense:",
        redis_url="redis://[",
        images_url="s3://",
        templates_dir=place,
        default_region="QQ",
        legacy_directory_url="http://old.example.org/",
    )
    with pytest.raises(SettingsError), build(invalid):
        pass
    database = Closing()
    own: Adapters = {
        "database": database,
        "tokens": PlainTokens(),
        "codes": HmacCodes(KeySet.generate()),
        "hasher": InsecureHasher(),
        "notifier": MemoryNotifier(),
        "images": PassThroughImages(),
        "storage": MemoryStorage(),
        "rate_limiter": MemoryRateLimiter(),
        "legacy_directory": MemoryLegacyDirectory(),
        "clock": lambda: 1_000_000.0,
    }
    settings = replace(invalid, default_region=None)
    with build(settings, run_workers=False, **own) as vestibule:
        account = vestibule.register(username="ada", name="Ada", email="ada@example.com", password=PASSWORD)
        tokens = vestibule.log_in(username="ada", password=PASSWORD)
        assert tokens.access_token == f"{account.id} {tokens.session}"
        assert vestibule.authenticate(tokens.access_token).account.created_at == 1_000_000.0
        assert vestibule.jwks() == {"keys": []}
        assert not vestibule.database_may_block
    assert not database.closed
    assert list(tmp_path.iterdir()) == [place]


def test_given_legacy_directory_is_asked_in_place_of_the_one_of_the_settings(tmp_path: Path) -> None:
    directory = MemoryLegacyDirectory()
    directory.add(ImportRecord(key="1", place="account 1", username="ada"), PASSWORD)
    settings = Settings(data_dir=tmp_path, legacy_directory_url="http://old.example.org/")
    with build(settings, run_workers=False, legacy_directory=directory) as vestibule:
        tokens = vestibule.log_in(username="ada", password=PASSWORD)
        assert vestibule.authenticate(tokens.access_token).account.username.text == "ada"
    with pytest.raises(SettingsError, match="LEGACY_DIRECTORY_SECRET and VESTIBULE_LEGACY_DIRECTORY_URL"):
        build(settings).open()
    with pytest.raises(SettingsError, match=r"^VESTIBULE_LEGACY_DIRECTORY_URL: a legacy directory needs https"):
        build(replace(settings, legacy_directory_secret=token_urlsafe(32))).open()
    with pytest.raises(TypeError, match="check"):
        build(Settings(data_dir=tmp_path), legacy_directory=object()).open()  # type: ignore[arg-type]


ELSEWHERE = "postgresql://accounts.example.org/accounts"


def test_keys_are_rotated_by_themselves_where_all_servers_have_the_same(tmp_path: Path) -> None:
    def days(**given: Any) -> int | None:
        manager = Container(Settings(data_dir=tmp_path, **given)).key_rotation()
        if manager is None:
            return None
        assert isinstance(manager, KeyManager)
        return next((round((key.active_from - time()) / 86_400) for key in manager.next_keys()), None)

    assert days() == 90
    assert days(keys_rotate_days=30) == 30
    assert days(keys_rotate_days=0) is None
    assert days(database_url=ELSEWHERE) is None
    assert rotates_keys(Settings(keys_rotate_days=0), ()), "another algorithm is followed"
    assert rotates_keys(Settings(database_url=ELSEWHERE, secret=(token_urlsafe(32),)), ())
    assert not rotates_keys(Settings(database_url=ELSEWHERE), ())
    assert not rotates_keys(Settings(), {"database"})
    assert rotates_keys(Settings(keys_rotate_days=30), {"database"})
    assert not rotates_keys(Settings(), {"tokens", "codes"})


def test_days_of_rotation_need_keys_that_all_servers_share(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^VESTIBULE_KEYS_ROTATE_DAYS: .*keys\.json.* Set VESTIBULE_SECRET: "):
        build(Settings(data_dir=tmp_path, database_url=ELSEWHERE, keys_rotate_days=30)).open()


class RemoteLimiter(MemoryRateLimiter):
    """A rate limiter that says it waits for another machine."""

    may_block = True


class RemoteDatabase(MemoryDatabase):
    """A database that says it waits for another machine."""

    def __init__(self) -> None:
        super().__init__()
        self.may_block = True


def test_writes_are_batched_only_if_none_waits_for_another_machine(tmp_path: Path) -> None:
    codes = HmacCodes(KeySet.generate())
    remote: tuple[Adapters, ...] = (
        {"tokens": PlainTokens()},
        {"codes": codes},
        {"identifiers": LibraryIdentifiers()},
        {"rate_limiter": RemoteLimiter()},
        {"database": RemoteDatabase()},
    )
    for number, own in enumerate(remote):
        with build(Settings(data_dir=tmp_path / str(number)), run_workers=False, **own) as vestibule:
            assert vestibule.group_commit is None
    with build(Settings(data_dir=tmp_path / "ours"), run_workers=False, hasher=InsecureHasher()) as vestibule:
        assert vestibule.group_commit is not None


def test_unknown_port_is_refused_by_name(tmp_path: Path) -> None:
    wrong: Any = {"hash": InsecureHasher()}
    with pytest.raises(TypeError, match=r"takes no 'hash'; the ports are database, tokens"), build(Settings(), **wrong):
        pass


class BrokenNotifier:
    def send(self, message: OutgoingMessage) -> None:
        raise ValueError(message.values["code"])

    def send_decoy(self, message: OutgoingMessage) -> None: ...


def test_log_shows_where_an_adapter_failed_and_no_code(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with build(Settings(data_dir=tmp_path), run_workers=False, notifier=BrokenNotifier()) as vestibule:
        vestibule.request_code(destination="ada@example.com")
        vestibule.deliver_messages()
    (failure,) = [record.getMessage() for record in caplog.records if record.name == "vestibule.delivery"]
    line = BrokenNotifier.send.__code__.co_firstlineno + 1
    assert failure.endswith(f"retrying in 5 s: ValueError in {__file__}:{line}")


def test_adapter_without_a_method_of_its_port_is_refused() -> None:
    for wrong, text in (
        ({"notifier": object()}, "an adapter with send, send_decoy as 'notifier'; object has no such method"),
        ({"clock": 5.0}, "an adapter with __call__ as 'clock'; float"),
    ):
        adapters: Any = wrong
        with pytest.raises(TypeError, match=text), build(Settings(), run_workers=False, **adapters):
            pass


def test_settings_of_another_type_are_refused() -> None:
    settings: Any = {"otp_length": 6}
    with pytest.raises(TypeError, match=r"takes vestibule\.Settings\(…\), not dict"):
        build(settings)


def test_host_applications_notifier_counts_towards_the_hourly_quota(tmp_path: Path) -> None:
    notifier = MemoryNotifier()
    settings = Settings(data_dir=tmp_path, emails_per_hour=1)
    with build(settings, run_workers=False, notifier=notifier, hasher=InsecureHasher()) as vestibule:
        vestibule.register(username="ada", name="Ada", email="ada@example.com", password=PASSWORD)
        vestibule.request_code(destination="ada@example.com")
        vestibule.deliver_messages()
        with pytest.raises(Overloaded):
            vestibule.request_code(destination="grace@example.com")
    assert [message.recipient for message in notifier.messages] == ["ada@example.com"]
    assert not (tmp_path / "outbox").exists()


def test_hash_of_an_older_system_is_replaced_at_a_login(tmp_path: Path) -> None:
    hasher = runpy.run_path(str(EXAMPLE))["OldHashes"](InsecureHasher())
    old = f"sha256$salt${hashlib.sha256(f'salt{PASSWORD}'.encode()).hexdigest()}"
    database = MemoryDatabase()
    with build(Settings(data_dir=tmp_path), run_workers=False, hasher=hasher, database=database) as vestibule:
        account = vestibule.register(username="ada", name="Ada", email="ada@example.com", password=PASSWORD)
        with database.begin() as tx:
            locked = tx.accounts.lock(account.id)
            assert locked is not None
            tx.accounts.save(replace(locked, password_hash=old))
        with pytest.raises(InvalidCredentials):
            vestibule.log_in(username="ada", password="not the password")
        vestibule.log_in(username="ada", password=PASSWORD)
        renewed = database.accounts.get(account.id)
        assert renewed is not None
        assert (renewed.password_hash or "").startswith("quick$")
        vestibule.log_in(username="ada", password=PASSWORD)


def test_the_example_prints_the_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLE))["main"](tmp_path)
    session, code = capsys.readouterr().out.splitlines()
    assert session.startswith("session ")
    assert code.startswith("code to ada@example.com: ")


def test_limits_and_notices_apply_to_a_named_caller_only(tmp_path: Path) -> None:
    notifier = MemoryNotifier()
    with build(Settings(data_dir=tmp_path), run_workers=False, hasher=InsecureHasher(), notifier=notifier) as vestibule:
        caller = Caller("192.0.2.1", f"{LINUX} Gecko/20100101 Firefox/140.0")
        for number in range(20):
            name = f"ada{number}"
            vestibule.register(username=name, name="Ada", email=f"{name}@example.com", password=PASSWORD, caller=caller)
        vestibule.request_code(destination="ada2@example.com")
        vestibule.deliver_messages()
        code = notifier.messages[-1].values["code"]
        ada = vestibule.authenticate(vestibule.log_in(username="ada2", password=PASSWORD, caller=caller).access_token)
        vestibule.verify_code(destination="ada2@example.com", verify_otp=code, identity=ada)
        with pytest.raises(RateLimited):
            vestibule.register(username="grace", name="G", email="grace@example.com", password=PASSWORD, caller=caller)
        vestibule.register(username="grace", name="G", email="grace@example.com", password=PASSWORD)  # trusted
        for _ in range(30):
            vestibule.check_unique(prop="username", value="ada", caller=caller)
        with pytest.raises(RateLimited):
            vestibule.check_unique(prop="username", value="ada", caller=caller)
        assert vestibule.check_unique(prop="username", value="ada")
        for _ in range(5):
            with pytest.raises(InvalidCredentials):
                vestibule.log_in(username="ada1", password="not the password", caller=caller)
        with pytest.raises(RateLimited):
            vestibule.log_in(username="ada1", password=PASSWORD, caller=caller)
        vestibule.log_in(username="ada1", password=PASSWORD)
        vestibule.log_in(
            username="ada2",
            password=PASSWORD,
            caller=Caller("192.0.2.1", f"{LINUX} AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"),
        )
        (event, *_) = (event for _, event in vestibule.read_audit_log(AuditQuery(type=EventType.LOGIN_FAILED)))
        assert event.caller == caller
        vestibule.deliver_messages()
        assert [message.recipient for message in notifier.messages if "what" in message.values] == ["ada2@example.com"]


def test_region_is_compared_unless_the_host_application_reads_mobiles(tmp_path: Path) -> None:
    with build(Settings(data_dir=tmp_path), run_workers=False) as vestibule:
        vestibule.register(username="ada", name="Ada", email="ada@example.com", mobile="9999999999", password=PASSWORD)
    elsewhere = Settings(data_dir=tmp_path, default_region="IN")
    with pytest.raises(SettingsError, match=r"^VESTIBULE_DEFAULT_REGION: .*vestibule accounts rekey"), build(elsewhere):
        pass
    with build(elsewhere, run_workers=False, identifiers=LibraryIdentifiers("IN")) as vestibule:
        assert vestibule.log_in(username="ada", password=PASSWORD).session
