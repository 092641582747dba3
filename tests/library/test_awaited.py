"""The awaited facade: event loops that are never blocked, one or several, until the build is closed."""

import asyncio
import sqlite3
import threading
import time
from io import BytesIO
from pathlib import Path
from zipfile import is_zipfile

import pytest

from vestibule import AsyncVestibule, Settings, Vestibule, build
from vestibule.adapters.hasher import InsecureHasher
from vestibule.application import Account, AlreadyTaken, InvalidCredentials, InvalidInput, RequestedCode

PASSWORD = "the engine weaves algebra"
ADA = {"username": "ada", "name": "Ada Lovelace", "email": "ada@example.com", "password": PASSWORD}


async def registered(vestibule: AsyncVestibule, name: str = "ada") -> Account:
    return await vestibule.register(username=name, name="Ada", email=f"{name}@example.com", password=PASSWORD)


def test_awaited_calls_return_and_refuse_like_blocking_ones(tmp_path: Path) -> None:
    async def main() -> None:
        async with build(Settings(data_dir=tmp_path), run_workers=False) as vestibule:
            account = await registered(vestibule)
            with pytest.raises(AlreadyTaken):
                await registered(vestibule)
            with pytest.raises(InvalidCredentials):
                await vestibule.log_in(username="ada", password="not the password")
            tokens = await vestibule.log_in(username="ada", password=PASSWORD)
            identity = await vestibule.authenticate(tokens.access_token)
            assert identity.account.id == account.id
            assert not await vestibule.check_unique(prop="username", value="ADA")
            changed = await vestibule.change_account(identity=identity, name="Ada Lovelace")
            assert changed.name == "Ada Lovelace"
            with pytest.raises(InvalidInput):
                await vestibule.replace_account(identity=identity, username="ada", name="", email="", mobile=None, password="")
            await vestibule.request_code(destination="ada@example.com")
            assert len(await vestibule.list_messages()) == 1
            assert await vestibule.deliver_messages() == 1
            assert await vestibule.revoke_other_sessions(identity=identity) == 0
            assert len(await vestibule.list_sessions(identity=identity)) == 1
            assert await vestibule.read_image("nothing") is None
            assert await vestibule.jwks() == vestibule.blocking.jwks()
            pieces = [piece async for piece in await vestibule.export_account(identity=identity)]
            assert is_zipfile(BytesIO(b"".join(pieces)))

    asyncio.run(main())


def test_opening_closing_and_hashing_do_not_block_the_loop(tmp_path: Path) -> None:
    async def longest_pause() -> float:
        longest, last, done = 0.0, time.monotonic(), asyncio.Event()

        async def measure() -> None:
            nonlocal longest, last
            while not done.is_set():
                await asyncio.sleep(0.001)
                now = time.monotonic()
                longest, last = max(longest, now - last), now

        measuring = asyncio.create_task(measure())
        async with build(Settings(data_dir=tmp_path), run_workers=True) as vestibule:
            loop_thread = threading.get_ident()
            assert vestibule.blocking.clock() > 0
            await registered(vestibule)
        done.set()
        await measuring
        assert loop_thread == threading.get_ident()
        return longest

    began = time.monotonic()
    pause = asyncio.run(longest_pause())
    assert pause < (time.monotonic() - began) / 2


def test_consecutive_event_loops_share_a_vestibule(tmp_path: Path) -> None:
    with build(Settings(data_dir=tmp_path), run_workers=False, hasher=InsecureHasher()) as blocking:
        vestibule = AsyncVestibule(blocking)

        async def crowd(start: int) -> list[Account]:
            return await asyncio.gather(*(registered(vestibule, f"ada{number}") for number in range(start, start + 100)))

        assert len(asyncio.run(crowd(0))) == 100
        assert len(asyncio.run(crowd(100))) == 100


def test_event_loops_of_several_threads_share_a_vestibule(tmp_path: Path) -> None:
    with build(Settings(data_dir=tmp_path), run_workers=False, hasher=InsecureHasher()) as blocking:
        vestibule, made = AsyncVestibule(blocking), list[Account]()

        async def crowd(start: int) -> None:
            made.extend(await asyncio.gather(*(registered(vestibule, f"ada{start + number}") for number in range(40))))

        threads = [threading.Thread(target=asyncio.run, args=(crowd(start),)) for start in (0, 100, 200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(made) == 120


def test_build_can_be_entered_again_after_its_block(tmp_path: Path) -> None:
    unopened = build(Settings(data_dir=tmp_path), run_workers=False)
    with unopened as vestibule, pytest.raises(RuntimeError, match="open already"), unopened:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        vestibule.check()
    with unopened as vestibule:
        assert isinstance(vestibule, Vestibule)
        vestibule.check()


def test_cancelled_opening_leaves_no_thread(tmp_path: Path) -> None:
    unopened = build(Settings(data_dir=tmp_path), run_workers=True)

    async def cancelled() -> None:
        async def live() -> None:
            async with unopened:
                raise AssertionError("the task is cancelled before")

        task = asyncio.create_task(live())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("delivery", "hashing", "purge"))]


def test_cancelled_calls_release_the_lane(tmp_path: Path) -> None:
    async def main() -> None:
        async with build(Settings(data_dir=tmp_path), run_workers=False) as vestibule:
            calls = [asyncio.create_task(registered(vestibule, f"ada{number}")) for number in range(8)]
            await asyncio.sleep(0.005)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            assert (await registered(vestibule, "grace")).id > 0

    asyncio.run(main())


def test_concurrent_writes_share_a_commit_on_sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commits: list[str] = []
    connect = sqlite3.connect

    def traced(*args: object, **kwargs: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **kwargs)  # type: ignore[call-overload]
        connection.set_trace_callback(lambda text: commits.append(text) if text == "COMMIT" else None)
        return connection

    async def main() -> None:
        async with build(Settings(data_dir=tmp_path), run_workers=False) as vestibule:
            commits.clear()
            calls = [vestibule.request_code(destination=f"ada{number}@example.com") for number in range(20)]
            sent = await asyncio.gather(*calls, vestibule.request_code(destination="nobody"), return_exceptions=True)
            assert [type(one) for one in sent] == [RequestedCode] * 20 + [InvalidInput]
            assert len(commits) == 1
            waiting = await vestibule.list_messages()
            assert {entry.message.recipient for entry in waiting} == {f"ada{number}@example.com" for number in range(20)}

    monkeypatch.setattr(sqlite3, "connect", traced)
    asyncio.run(main())
