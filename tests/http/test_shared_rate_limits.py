"""Shared rate limits: while the rate limiter of one call blocks, other calls proceed."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from ipaddress import ip_network

import pytest
from httpx import ASGITransport, AsyncClient, Response
from litestar import Litestar
from tests.http.conftest import vestibule_of
from tests.support.rate_limiters import redis_rate_limiters
from tests.support.redis_server import FakeServer
from tests.support.world import World

from vestibule.adapters.rate_limiter import MemoryRateLimiter, RedisRateLimiter
from vestibule.entrypoints.http import create_app

TIMEOUT = 5.0


@pytest.fixture
def silent() -> Iterator[FakeServer]:
    with closing(FakeServer()) as fake:
        yield fake


@pytest.fixture
def rate_limiter(silent: FakeServer) -> Iterator[RedisRateLimiter]:
    """A rate limiter whose calls wait until `silent` closes the connection."""
    with closing(RedisRateLimiter(silent.url, MemoryRateLimiter(), timeout=TIMEOUT)) as rate_limiter:
        yield rate_limiter


def client_of(app: Litestar) -> AsyncClient:
    transport = ASGITransport(app)  # type: ignore[arg-type]  # the parameters of Litestar have narrower types
    return AsyncClient(transport=transport, base_url="http://localhost")


async def response_after_another_call(app: Litestar, silent: FakeServer, method: str, path: str, body: object) -> Response:
    """Makes a call whose rate limiter blocks; meanwhile another call gets its response."""
    async with client_of(app) as client:
        waiting = asyncio.create_task(client.request(method, path, json=body))
        await asyncio.to_thread(silent.connected.wait, 10)
        assert (await client.get("/healthz")).status_code == 200
        assert not waiting.done(), "the first call did not wait for the rate limiter"
        silent.hang_up()
        return await waiting


def test_blocking_rate_limiter_does_not_block_other_calls(silent: FakeServer, rate_limiter: RedisRateLimiter) -> None:
    app = create_app(World(rate_limiter=rate_limiter))
    answer = asyncio.run(response_after_another_call(app, silent, "GET", "/.well-known/jwks.json", None))
    assert answer.status_code == 200


def test_blocking_rate_limiter_of_uniqueness_check_does_not_block_other_calls(
    silent: FakeServer, rate_limiter: RedisRateLimiter
) -> None:
    world = World()
    with redis_rate_limiters() as make:
        vestibule = vestibule_of(
            world, rate_limiter=make(), check_unique=replace(world.check_unique, rate_limiter=rate_limiter)
        )
        answer = asyncio.run(
            response_after_another_call(
                create_app(vestibule), silent, "POST", "/isunique/", {"prop": "username", "value": "ada"}
            )
        )
    assert answer.status_code == 200


def test_too_many_calls_waiting_for_limits_are_refused_with_retry_after(
    silent: FakeServer, rate_limiter: RedisRateLimiter
) -> None:
    app = create_app(World(rate_limiter=rate_limiter, trusted_proxies=(ip_network("127.0.0.0/8"),)))

    async def call_many() -> Response:
        async with client_of(app) as client:
            waiting = [
                asyncio.create_task(
                    client.get("/.well-known/jwks.json", headers={"X-Forwarded-For": f"192.0.2.{number // 100}"})
                )
                for number in range(1000)
            ]
            await asyncio.to_thread(silent.connected.wait, 10)
            answer = await client.get("/.well-known/jwks.json")
            silent.hang_up()
            await asyncio.gather(*waiting)
            return answer

    answer = asyncio.run(call_many())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Request-ID"]
