"""One network has at most a quarter of the password hasher's queue."""

import asyncio
from collections import Counter
from threading import Event

import pytest
from httpx import ASGITransport, AsyncClient
from tests.support.world import PASSWORD, World

from vestibule.adapters.hasher import Argon2Hasher
from vestibule.adapters.hasher.pool import HashingPool
from vestibule.application import Caller, Overloaded, TokenSet
from vestibule.entrypoints.async_facade import AsyncVestibule
from vestibule.entrypoints.container import factories
from vestibule.entrypoints.http import create_app
from vestibule.entrypoints.settings import Settings
from vestibule.testing import InsecureHasher


class BusyHasher(InsecureHasher):
    """A hasher with room for 8 hashes, which verifies none before `gate` is open."""

    capacity = 8

    def __init__(self) -> None:
        super().__init__()
        self.gate = Event()

    def verify(self, password_hash: str | None, password: str) -> bool:
        self.gate.wait(10)
        return super().verify(password_hash, password)


def test_logins_of_one_network_leave_the_queue_to_others() -> None:
    async def log_in_often() -> None:
        async with client_at("192.0.2.1") as many, client_at("192.0.2.2") as other:
            inside = [asyncio.create_task(many.post("/login/", json=right)) for _ in range(20)]
            while sum(task.done() for task in inside) < 18:  # noqa: ASYNC110 — in other tasks
                await asyncio.sleep(0)
            refused = [task.result() for task in inside if task.done()]
            assert {(answer.status_code, answer.headers["retry-after"]) for answer in refused} == {(503, "1")}
            assert {answer.json()["type"] for answer in refused} == {"urn:vestibule:problem:overloaded"}
            elsewhere = asyncio.create_task(other.post("/login/", json=right))
            await asyncio.sleep(0)
            hasher.gate.set()
            assert (await elsewhere).status_code == 200
            assert Counter([answer.status_code for answer in await asyncio.gather(*inside)]) == {200: 2, 503: 18}

    def client_at(address: str) -> AsyncClient:
        transport = ASGITransport(app, client=(address, 4000))  # type: ignore[arg-type]  # Litestar's types are narrower
        return AsyncClient(transport=transport, base_url="http://localhost")

    hasher = BusyHasher()
    world = World(hasher=hasher)
    world.create_account("ada")
    app, right = create_app(world), {"username": "ada", "password": PASSWORD}
    asyncio.run(log_in_often())


A_SITE = Caller("2001:db8:1::1")


@pytest.mark.parametrize(
    ("caller", "rate_limits", "served"),
    [
        (Caller("192.0.2.1"), True, 2),
        (Caller("2001:db8::1"), True, 2),
        (A_SITE, True, 2),
        (Caller(), True, 12),
        (Caller("192.0.2.1"), False, 12),
    ],
    ids=["IPv4", "IPv6", "many networks of a site", "without an address", "without rate limits"],
)
def test_awaited_logins_are_bounded_by_network(caller: Caller, rate_limits: bool, served: int) -> None:
    async def log_in_often() -> list[object]:
        accounts = AsyncVestibule(world)
        callers = [Caller(f"2001:db8:1:{number}::1") if caller is A_SITE else caller for number in range(12)]
        calls = [accounts.log_in(username="ann", password=PASSWORD, caller=each) for each in callers]
        inside = [asyncio.create_task(call) for call in calls]
        for _ in range(3):
            await asyncio.sleep(0)
        hasher.gate.set()
        return await asyncio.gather(*inside, return_exceptions=True)

    hasher = BusyHasher()
    world = World(hasher=hasher, rate_limits=rate_limits)
    world.create_account("ann")
    kinds = Counter(map(type, asyncio.run(log_in_often())))
    assert (kinds[TokenSet], kinds[Overloaded]) == (served, 12 - served)


def test_share_is_a_quarter_of_the_queue_and_at_least_one_hash() -> None:
    hashers = [Argon2Hasher(pool=HashingPool(threads=1, queue=queue)) for queue in (16, 7, 1)]
    assert [factories.hashing_share(Settings(), hasher) for hasher in hashers] == [4, 2, 1]
    for hasher in hashers:
        hasher.close()
