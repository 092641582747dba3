"""Events through the asynchronous facade: awaited, and with adapters that the host application provides."""

import asyncio
from pathlib import Path
from threading import Event as Signal

import pytest
from tests.support.webhook_receiver import SECRET, receiver

from vestibule import AsyncVestibule, Settings, build
from vestibule.adapters.database import MemoryDatabase
from vestibule.adapters.notifier import MemoryNotifier
from vestibule.application import Event, EventType

PASSWORD = "the engine weaves algebra"


async def registered(vestibule: AsyncVestibule, name: str) -> None:
    await vestibule.register(username=name, name="A Person", email=f"{name}@example.com", password=PASSWORD)


async def fail(vestibule: AsyncVestibule) -> None:
    async with vestibule.read_events("crm") as events:
        events.acknowledge(1)
        raise ValueError("the handler failed")


def test_events_are_read_by_a_cursor_in_an_event_loop(tmp_path: Path) -> None:
    async def main() -> None:
        async with build(Settings(data_dir=tmp_path), run_workers=False) as vestibule:
            for name in ("ann-x", "bob-x", "cid-x"):
                await registered(vestibule, name)
            with pytest.raises(ValueError, match="failed"):
                await fail(vestibule)
            async with vestibule.read_events("crm", limit=1) as events:
                assert [(position, event.type) for position, event in events] == [(2, EventType.REGISTERED)]
            async with vestibule.read_events("crm") as events:
                assert [position for position, _ in events] == [3]

    asyncio.run(main())


def test_handler_is_called_while_an_event_loop_runs(tmp_path: Path) -> None:
    seen = Signal()

    def handler(position: int, event: Event) -> None:
        seen.set()

    async def main() -> None:
        async with build(Settings(data_dir=tmp_path), run_workers=False) as vestibule:
            vestibule.subscribe("crm", handler)
            await registered(vestibule, "ann-x")
            assert await asyncio.to_thread(seen.wait, 10)

    asyncio.run(main())


def test_webhook_is_sent_with_an_own_database_and_notifier(tmp_path: Path) -> None:
    notifier = MemoryNotifier()
    with receiver() as hook:
        settings = Settings(data_dir=tmp_path, webhook_url=hook.url, webhook_secret=(SECRET,))
        with build(settings, run_workers=False, database=MemoryDatabase(), notifier=notifier) as vestibule:
            vestibule.register(username="ann-x", name="A Person", email="ann-x@example.com", password=PASSWORD)
            vestibule.request_code(destination="ann-x@example.com")
            assert vestibule.deliver_messages() == 2
    assert hook.types() == ["account.registered"]
    assert [message.recipient for message in notifier.messages] == ["ann-x@example.com"]
