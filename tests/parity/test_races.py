"""Concurrent calls: the second one waits, or is refused."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest
from tests.parity.conftest import Open
from tests.support.account_builders import (
    ANN,
    MOBILE,
    OTHER_REGISTRATION,
    REGISTRATION,
    WRONG_CODE,
    code,
    logged_in,
    taken,
    tokens,
)
from tests.support.interfaces import Effects, Interface, Refused, Tokens
from tests.support.world import OTHER_PASSWORD, PASSWORD, PNG, World, concurrently, wrong

from vestibule.application.ports import ImportRecord, Transaction
from vestibule.domain.account import in_legacy_directory
from vestibule.domain.code import CodePurpose
from vestibule.domain.rate_limits import RateLimit
from vestibule.testing import MemoryLegacyDirectory

MANY = 8


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    return concurrently(calls)


def test_concurrent_registrations_get_a_username_once(interface: Interface) -> None:
    calls = [
        lambda n=n: interface.register(**REGISTRATION | {"email": f"p{n}@mail.example.com", "mobile": None})
        for n in range(MANY)
    ]
    results = at_once(*calls)
    assert sorted(results, key=str).count(taken("username")) == MANY - 1
    assert sum(isinstance(result, dict) for result in results) == 1


def test_concurrent_verifications_use_a_code_once(interface: Interface) -> None:
    sent = code(interface, ANN)
    results = at_once(*[lambda: interface.verify(destination=ANN, verify_otp=sent)] * MANY)
    assert results.count(WRONG_CODE) == MANY - 1
    assert sum(isinstance(result, str) for result in results) == 1


def test_concurrent_wrong_codes_use_up_all_attempts(interface: Interface) -> None:
    sent = code(interface, ANN)
    assert at_once(*[lambda: interface.verify(destination=ANN, verify_otp=wrong(sent))] * MANY) == [WRONG_CODE] * MANY
    assert interface.verify(destination=ANN, verify_otp=sent) == WRONG_CODE


def test_concurrent_sends_send_one_code(interface: Interface, world: World) -> None:
    results = at_once(*[lambda: interface.send(destination=ANN)] * MANY)
    assert results.count(Refused("rate-limited", retry_after=60)) == MANY - 1
    assert len(world.codes_at(ANN)) == 1


def test_concurrent_refreshes_leave_one_usable_successor(interface: Interface) -> None:
    own = logged_in(interface)
    results = at_once(*[lambda: interface.refresh(refresh=own.refresh_token)] * MANY)
    assert len({result.refresh_token for result in results}) == MANY
    outcomes = [interface.refresh(refresh=result.refresh_token) for result in results]
    assert sum(isinstance(outcome, Tokens) for outcome in outcomes) == 1


def test_concurrent_failed_logins_are_limited(interface: Interface) -> None:
    interface.register(**REGISTRATION)
    results = at_once(*[lambda: interface.log_in(username="ann", password=OTHER_PASSWORD)] * MANY)
    assert results.count(Refused("invalid-credentials")) == 5
    assert results.count(Refused("rate-limited", retry_after=300)) == MANY - 5


def test_concurrent_changes_take_an_email_once(interface: Interface) -> None:
    ann = logged_in(interface)
    interface.register(**OTHER_REGISTRATION)
    eve = tokens(interface, "eve", OTHER_PASSWORD)
    new = "new@mail.example.com"
    results = at_once(lambda: interface.change(ann.token, email=new), lambda: interface.change(eve.token, email=new))
    assert results.count(taken("email")) == 1
    assert sum(isinstance(result, dict) for result in results) == 1


@pytest.mark.parametrize("_time", range(3))
def test_concurrent_first_logins_take_one_account_in(_time: int, open_interface: Open) -> None:
    directory = MemoryLegacyDirectory()
    mobile = f"+49 {MOBILE}"
    old = ImportRecord(key="17", place="17", username="ann", email=ANN, mobile=mobile, email_verified=True)
    directory.add(old, PASSWORD)
    interface = open_interface(legacy_directory=directory)
    names = ["ann", ANN, mobile, "Ann"]
    results = at_once(*[lambda name=name: interface.log_in(username=name, password=PASSWORD) for name in names])
    assert all(isinstance(result, Tokens) for result in results), results
    assert interface.world.database.accounts.count() == 1
    assert {interface.account(result.token)["username"] for result in results} == {"ann"}


@pytest.mark.parametrize("_time", range(3))
def test_concurrent_first_login_and_reset_leave_one_password(_time: int, open_interface: Open) -> None:
    directory = MemoryLegacyDirectory()
    directory.add(ImportRecord(key="17", place="account 17", username="ann", email=ANN), PASSWORD)
    interface = open_interface(legacy_directory=directory)
    world = interface.world
    account = world.create_account("ann", email=ANN, proofs=(world.verify_address(ANN),))
    world.alter(account, password_hash=in_legacy_directory("17"))
    sent = code(interface, ANN)
    reset, first = at_once(
        lambda: interface.reset(email=ANN, otp=sent, password=OTHER_PASSWORD),
        lambda: interface.log_in(username="ann", password=PASSWORD),
    )
    assert isinstance(reset, Effects)
    assert isinstance(first, Tokens) or first == Refused("invalid-credentials")
    assert isinstance(interface.log_in(username="ann", password=OTHER_PASSWORD), Tokens)
    assert interface.log_in(username="ann", password=PASSWORD) == Refused("invalid-credentials")


@pytest.mark.parametrize("_time", range(3))
def test_concurrent_reset_and_change_leave_one_password(_time: int, interface: Interface) -> None:
    own, sent = logged_in(interface), code(interface, ANN)
    mine, theirs = "the owners own choice", "an attackers choice"
    reset, changed = at_once(
        lambda: interface.reset(email=ANN, otp=sent, password=theirs), lambda: interface.change(own.token, password=mine)
    )
    right = [text for text in (mine, theirs, PASSWORD) if isinstance(interface.log_in(username="ann", password=text), Tokens)]
    assert right == ([theirs] if isinstance(reset, Effects) else [mine])
    assert isinstance(changed, dict) or changed == Refused("invalid-token")


# --- the clock is read after the wait for a lock ----------------------------------------------------------------------


def result_after_wait(world: World, ahead: Callable[[Transaction], Iterator[object]], call: Callable[[], Any]) -> Any:
    """Returns the result of a call that waits for locks that `ahead` holds."""
    with ThreadPoolExecutor(1) as elsewhere:
        with world.database.begin() as tx:
            steps = ahead(tx)
            next(steps)
            waiting = elsewhere.submit(call)
            assert not wait([waiting], 0.1).done
            next(steps, None)
        return waiting.result(10)


@pytest.mark.parametrize(
    ("key", "limit", "call"),
    [
        ("code-requests:{}:others", RateLimit(1, 60), lambda interface: interface.send(destination=ANN)),
        ("login:{}", RateLimit(30, 900), lambda interface: interface.log_in(username=ANN, password=PASSWORD)),
    ],
    ids=["send", "login"],
)
def test_wait_for_a_lock_is_not_added_to_retry_after(
    key: str, limit: RateLimit, call: Callable[[Interface], Any], interface: Interface, world: World
) -> None:
    def count(tx: Transaction) -> Iterator[object]:
        (window,) = tx.rate_limits.lock([key.format(world.codes.keyed_digest(f"email:{ANN}"))])
        yield window
        world.clock.advance(30)
        for _ in range(limit.count):
            window = window.with_hit((limit,), world.clock())
        tx.rate_limits.save([window], world.clock() + limit.seconds)

    interface.register(**REGISTRATION)
    assert result_after_wait(world, count, lambda: call(interface)) == Refused("rate-limited", retry_after=int(limit.seconds))


def test_code_that_expires_during_lock_wait_is_rejected(interface: Interface, world: World) -> None:
    def hold_lock(tx: Transaction) -> Iterator[object]:
        yield tx.challenges.lock(CodePurpose.GENERAL, [world.address(ANN)])
        world.clock.advance(minutes=5)

    sent = code(interface, ANN)
    assert result_after_wait(world, hold_lock, lambda: interface.verify(destination=ANN, verify_otp=sent)) == WRONG_CODE


def test_session_that_expires_during_lock_wait_is_not_refreshed(interface: Interface, world: World) -> None:
    def hold_lock(tx: Transaction) -> Iterator[object]:
        yield tx.sessions.lock(own.session)
        world.clock.advance(days=31)

    own = logged_in(interface)
    assert result_after_wait(world, hold_lock, lambda: interface.refresh(refresh=own.refresh_token)) == Refused(
        "invalid-refresh-token"
    )


@pytest.mark.parametrize(
    "call",
    [lambda interface, token: interface.change(token, name="Another"), lambda interface, token: interface.upload(token, PNG)],
    ids=["change", "upload"],
)
def test_session_that_expires_during_lock_wait_changes_nothing(
    call: Callable[[Interface, str], Any], interface: Interface, world: World
) -> None:
    def hold_lock(tx: Transaction) -> Iterator[object]:
        yield tx.accounts.lock(account.id)
        world.clock.advance(days=31)

    own = logged_in(interface)
    account = world.authenticate(own.token).account
    assert result_after_wait(world, hold_lock, lambda: call(interface, own.token)) == Refused("invalid-token")
    assert world.now(account) == account
