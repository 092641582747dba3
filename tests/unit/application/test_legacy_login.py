"""First logins of people whose passwords another system has."""

from dataclasses import replace
from typing import Any

import pytest
from tests.support.world import CALLER, OTHER_PASSWORD, PASSWORD, SlowHasher, World, outcome

from vestibule.application import Account, Caller, EventType, InvalidCredentials, Overloaded, RateLimited, Unavailable
from vestibule.application.ports import ImportedRow, ImportRecord
from vestibule.domain.account import in_legacy_directory
from vestibule.testing import MemoryLegacyDirectory

ANN = ImportRecord(
    key="17",
    place="account 17",
    username="Ann",
    name="Ann of Old",
    email="Ann@mail.example.com",
    mobile="+49 170 1234567",
    email_verified=True,
    created_at=1_000_000_000.0,
)
ELSEWHERE = Caller("203.0.113.9")


@pytest.fixture
def directory() -> MemoryLegacyDirectory:
    found = MemoryLegacyDirectory("shop")
    found.add(ANN, PASSWORD)
    return found


@pytest.fixture
def world(directory: MemoryLegacyDirectory) -> World:
    return World(legacy_directory=directory)


def log_in(world: World, username: str = "ann", password: str = PASSWORD, **more: Any) -> Account:
    tokens = world.log_in(username=username, password=password, **more)
    return world.now(world.identity(tokens).account)


def failed(world: World, username: str = "ann", password: str = PASSWORD, **more: Any) -> Any:
    return outcome(lambda: world.log_in(username=username, password=password, **more))


def details(world: World, event: EventType) -> list[tuple[int | None, str, str | None]]:
    return [(one.account_id, one.detail, one.actor) for one in world.events(event)]


def marked(world: World, username: str = "ann", key: str = "17", **fields: Any) -> Account:
    """An account that was imported without its password, which the directory has."""
    return world.alter(world.create_account(username, **fields), password_hash=in_legacy_directory(key))


# --- unknown here -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("identifier", ["ann", "ANN@mail.example.com", "+49 170 1234567"])
def test_first_login_makes_the_account(identifier: str, world: World, directory: MemoryLegacyDirectory) -> None:
    account = log_in(world, identifier, caller=CALLER)

    assert (account.username.text, account.name, account.created_at) == ("Ann", "Ann of Old", ANN.created_at)
    assert account.email is not None
    assert (account.email.text, account.email_verified, account.ever_verified) == ("Ann@mail.example.com", True, True)
    assert account.mobile is not None
    assert (account.mobile.canonical, account.mobile_verified) == ("+491701234567", False)
    assert directory.asked == [identifier]
    assert [event.caller.ip_address for event in world.events(EventType.LOGGED_IN)] == [CALLER.ip_address]
    [(account_id, _, actor)] = details(world, EventType.IMPORTED)
    assert (account_id, actor) == (account.id, "legacy directory")
    assert world.events(EventType.REGISTERED, EventType.LOGIN_FAILED) == []
    assert world.messages == ()


def test_later_logins_are_checked_here(world: World, directory: MemoryLegacyDirectory) -> None:
    account = log_in(world)
    directory.add(ANN, OTHER_PASSWORD)

    assert [log_in(world, name) for name in ("ann", "ann@mail.example.com")] == [account, account]
    assert isinstance(failed(world, password=OTHER_PASSWORD), InvalidCredentials)
    assert directory.asked == ["ann"]


def test_identifier_that_only_the_old_system_knows_goes_on_working(world: World, directory: MemoryLegacyDirectory) -> None:
    """Such as a customer's number: the directory says whose it is, and the password of the account decides."""
    account = log_in(world)
    directory.add(replace(ANN, username="4711"), PASSWORD)

    assert log_in(world, "4711") == account

    world.change_account(identity=world.log_in_as("ann"), password=OTHER_PASSWORD)
    assert isinstance(failed(world, "4711"), InvalidCredentials), "the password was changed here"
    assert world.database.accounts.count() == 1


def test_admission_is_not_asked(directory: MemoryLegacyDirectory) -> None:
    world = World(legacy_directory=directory, registration="closed", mobile_required=True, email_validation=True)

    assert log_in(world).email is not None


def test_flags_roles_and_hash_of_the_old_system_are_not_taken(world: World, directory: MemoryLegacyDirectory) -> None:
    directory.add(replace(ANN, is_staff=True, is_superuser=True, roles=("boss",), password_hash="!x", image="a.png"), PASSWORD)

    account = log_in(world)

    assert (account.is_staff, account.is_superuser, account.roles, account.image) == (False, False, (), None)
    assert world.hasher.verify(account.password_hash, PASSWORD)


def test_address_that_is_verified_on_another_account_is_left_out(world: World) -> None:
    other = world.create_account("eve", email="ann@mail.example.com", proofs=(world.verify_address("ann@mail.example.com"),))

    account = log_in(world)

    assert (account.email, account.email_verified, account.ever_verified) == (None, False, False)
    assert world.now(other).email_verified


def test_verified_address_leaves_the_account_where_it_is_not(world: World) -> None:
    other = world.create_account("eve", email="ann@mail.example.com")

    account = log_in(world)

    assert account.email_verified
    assert world.now(other).email is None


def test_account_that_is_inactive_there_is_refused_and_not_made(world: World, directory: MemoryLegacyDirectory) -> None:
    directory.add(replace(ANN, is_active=False), PASSWORD)

    assert isinstance(failed(world), InvalidCredentials)
    assert world.database.accounts.count() == 0


class Nameless:
    """Finds every password right, of an account without a name."""

    name = "shop"

    def check(self, identifier: str, password: str, /) -> ImportRecord:
        return ImportRecord(key="1", place="account 1", username="\u200b")


def test_account_that_no_one_could_log_in_to_is_not_made(caplog: pytest.LogCaptureFixture) -> None:
    world = World(legacy_directory=Nameless())

    assert isinstance(failed(world), InvalidCredentials)
    assert world.database.accounts.count() == 0
    assert "cannot be taken in" in caplog.text


@pytest.mark.parametrize(("number", "kept"), [(4711, True), (1, False), (0, False), (-1, False), (2**70, False), (None, False)])
def test_id_is_kept_where_it_is_free(number: int | None, kept: bool, world: World, directory: MemoryLegacyDirectory) -> None:
    world.create_account("eve")
    directory.add(replace(ANN, id=number), PASSWORD)

    assert (log_in(world).id == number) is kept


@pytest.mark.parametrize(("username", "password"), [("ann", OTHER_PASSWORD), ("eve", PASSWORD)])
def test_wrong_password_and_unknown_name_fail_as_ever(username: str, password: str, directory: MemoryLegacyDirectory) -> None:
    hasher = SlowHasher()
    world = World(hasher=hasher, legacy_directory=directory)

    refusal = failed(world, username, password, caller=CALLER)

    assert isinstance(refusal, InvalidCredentials)
    assert hasher.verified == [None], "a hash is computed all the same"
    assert [event.detail for event in world.events()] == ["unknown"]
    assert world.database.accounts.count() == 0


def test_account_that_was_deleted_here_is_not_made_again(directory: MemoryLegacyDirectory) -> None:
    world = World(legacy_directory=directory, deletion_days=0)
    log_in(world)
    world.delete_account(identity=world.log_in_as("ann"))
    assert world.database.accounts.count() == 0

    assert isinstance(failed(world), InvalidCredentials)
    assert world.database.accounts.count() == 0


# --- here, with the password there ------------------------------------------------------------------------------------


def test_marked_account_gets_its_password(world: World, directory: MemoryLegacyDirectory) -> None:
    before = marked(world)

    account = log_in(world, caller=CALLER)

    assert replace(account, password_hash=None) == replace(before, password_hash=None)
    assert world.hasher.verify(account.password_hash, PASSWORD)
    assert details(world, EventType.IMPORTED) == [(account.id, "password", "legacy directory")]
    assert log_in(world) == account
    assert directory.asked == ["ann"]


def test_marked_account_with_a_wrong_password_fails_and_stays_marked(world: World) -> None:
    account = marked(world)

    assert isinstance(failed(world, password=OTHER_PASSWORD), InvalidCredentials)
    assert world.now(account).legacy_key == "17"
    assert [event.detail for event in world.events(EventType.LOGIN_FAILED)] == ["wrong"]


def test_mark_matches_no_password_without_a_directory() -> None:
    world = World()
    marked(world)
    assert [type(failed(world, password=text)) for text in (PASSWORD, in_legacy_directory("17"))] == [InvalidCredentials] * 2


def test_account_of_another_key_is_not_opened(world: World, directory: MemoryLegacyDirectory) -> None:
    """There `bob` and `Bob` are two people; here one of them has another username."""
    account = marked(world, "ann", key="18", email="other@mail.example.com")

    assert isinstance(failed(world), InvalidCredentials)
    assert world.now(account).legacy_key == "18"
    assert directory.asked == ["ann"]


def test_person_whose_username_was_changed_by_the_import_gets_the_own_account(
    world: World, directory: MemoryLegacyDirectory
) -> None:
    other = marked(world, "ann", key="18", email="other@mail.example.com")
    own = marked(world, "ann-2")
    with world.database.begin() as tx:
        tx.imports.put([ImportedRow(source="shop", key="17", account_id=own.id, digests="x", imported_at=0.0)])

    assert log_in(world, "ann").id == own.id
    assert world.now(other).legacy_key == "18"


@pytest.mark.parametrize("fields", [{"password_hash": None}, {"is_active": False}])
def test_account_without_a_mark_or_inactive_is_not_asked_for(
    fields: dict[str, Any], world: World, directory: MemoryLegacyDirectory
) -> None:
    world.alter(marked(world), **fields)

    assert isinstance(failed(world), InvalidCredentials)
    assert directory.asked == []


def test_code_clears_the_mark_of_an_account_that_it_claims(world: World, directory: MemoryLegacyDirectory) -> None:
    marked(world)
    assert world.log_in_with_code("ann@mail.example.com").cleared == ("password",)

    assert isinstance(failed(world), InvalidCredentials)
    assert directory.asked == []


# --- no sure answer ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [Unavailable(5), Overloaded()])
def test_attempt_without_an_answer_is_not_counted(failure: Unavailable, world: World, directory: MemoryLegacyDirectory) -> None:
    directory.fail_next(failure, times=20)

    answers = [failed(world, caller=CALLER) for _ in range(20)]

    assert answers == [failure] * 20
    assert world.events() == []
    log_in(world, caller=CALLER)


# --- limits -----------------------------------------------------------------------------------------------------------


def test_failures_are_limited_before_the_directory_is_asked(world: World, directory: MemoryLegacyDirectory) -> None:
    answers = [failed(world, password=OTHER_PASSWORD, caller=CALLER) for _ in range(8)]

    assert [type(answer) for answer in answers] == [InvalidCredentials] * 5 + [RateLimited] * 3
    assert len(directory.asked) == 5
    assert isinstance(failed(world, caller=CALLER), RateLimited)
    log_in(world, caller=ELSEWHERE)


def test_paused_identifier_is_answered_as_wrong_and_not_asked_for(world: World, directory: MemoryLegacyDirectory) -> None:
    for number in range(100):
        failed(world, password=OTHER_PASSWORD, caller=Caller(f"198.51.100.{number}"))
        world.clock.advance(31)
    world.clock.advance(900)

    assert isinstance(failed(world, caller=ELSEWHERE), InvalidCredentials)
    assert len(directory.asked) == 100


class Meanwhile(MemoryLegacyDirectory):
    """Runs a callable during the next question: what other callers do meanwhile."""

    def __init__(self) -> None:
        super().__init__("shop")
        self.meanwhile: list[Any] = []
        self.add(ANN, PASSWORD)

    def check(self, identifier: str, password: str, /) -> Any:
        answer = super().check(identifier, password)
        if self.meanwhile:
            self.meanwhile.pop()()
        return answer


@pytest.fixture
def busy() -> Meanwhile:
    return Meanwhile()


def test_right_password_beyond_the_limit_is_refused(busy: Meanwhile) -> None:
    """Five failures are counted while the directory is asked."""
    world = World(legacy_directory=busy)
    busy.meanwhile = [lambda: [failed(world, password=OTHER_PASSWORD, caller=CALLER) for _ in range(5)]]

    assert isinstance(failed(world, caller=CALLER), RateLimited)
    assert world.database.accounts.count() == 0


# --- what other calls do meanwhile ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ann", "ann@mail.example.com"])
def test_two_first_logins_of_one_person_make_one_account(name: str, busy: Meanwhile) -> None:
    world = World(legacy_directory=busy)
    busy.meanwhile = [lambda: log_in(world, name)]

    account = log_in(world, "ann")

    assert world.database.accounts.count() == 1
    assert len(world.list_sessions(identity=world.log_in_as("ann"))) == 3
    assert details(world, EventType.IMPORTED) == [(account.id, details(world, EventType.IMPORTED)[0][1], "legacy directory")]


def test_account_that_another_person_registers_meanwhile_is_not_opened(busy: Meanwhile) -> None:
    world = World(legacy_directory=busy)
    busy.meanwhile = [lambda: world.create_account("ann", password=OTHER_PASSWORD)]

    assert isinstance(failed(world), InvalidCredentials)
    assert world.database.accounts.count() == 1


def test_password_that_is_set_meanwhile_wins(busy: Meanwhile) -> None:
    world = World(legacy_directory=busy)
    account = marked(world)
    busy.meanwhile = [lambda: world.alter(account, password_hash=world.hasher.hash(OTHER_PASSWORD))]

    assert isinstance(failed(world), InvalidCredentials)
    assert log_in(world, password=OTHER_PASSWORD).id == account.id


def test_marked_account_that_is_suspended_meanwhile_is_refused(busy: Meanwhile) -> None:
    world = World(legacy_directory=busy)
    account = marked(world)
    busy.meanwhile = [lambda: world.alter(account, is_active=False)]

    assert isinstance(failed(world), InvalidCredentials)
    assert world.now(account).legacy_key == "17"
