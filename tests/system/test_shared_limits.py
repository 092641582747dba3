"""Real servers that share rate limits: workers of one server in a file, several servers in a real Redis."""

import os
import signal
from contextlib import ExitStack
from itertools import cycle, islice
from pathlib import Path

import pytest
from tests.support.processes import eventually
from tests.support.redis_server import RedisServer
from tests.support.server import Server, free_port

from vestibule.adapters.rate_limiter import node_limits_file

CHECK = {"prop": "username", "value": "ada"}


def statuses(servers: list[Server], calls: int) -> list[int]:
    """Returns the statuses of so many uniqueness checks, made on each server in turn."""
    return [server.call("POST", "/isunique/", CHECK, timeout=60)[0] for server in islice(cycle(servers), calls)]


def all_refused(server: Server) -> bool:
    try:
        return set(statuses([server], 6)) == {429}
    except OSError:
        return False


def test_nodes_share_limits_in_redis_and_count_alone_without_it(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer(tmp_path / "redis"))
        servers = [stack.enter_context(Server(tmp_path / name, redis_url=redis.url)) for name in ("one", "two")]

        assert statuses(servers, 30) == [200] * 30
        assert statuses(servers, 4) == [429] * 4

        redis.kill()
        assert statuses(servers, 60) == [200] * 60
        assert statuses(servers, 4) == [429] * 4
        for server in servers:
            assert server.call("GET", "/readyz")[0] == 200, "the server stays ready"
            assert server.output.count("is unavailable") == 1

        assert [server.stop() for server in servers] == [0, 0]


def test_workers_share_limits_in_redis(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    with (
        RedisServer(tmp_path / "redis") as redis,
        Server(tmp_path / "data", workers="2", redis_url=f"redis://:@127.0.0.1:{redis.port}/3") as server,
    ):
        answers = statuses([server], 40)
        assert answers == [200] * 30 + [429] * 10
        assert "Limits are counted in redis://127.0.0.1" in server.output


def test_redis_that_is_down_at_start_is_logged(tmp_path: Path) -> None:
    url = f"redis://:s3cret@127.0.0.1:{free_port()}"
    with Server(tmp_path / "data", redis_url=url) as server:
        assert statuses([server], 31) == [200] * 30 + [429]
        assert "is unavailable (ConnectionError)" in server.output
        assert "s3cret" not in server.output


def test_invalid_redis_url_stops_the_start_without_repeating_it(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="VESTIBULE_REDIS_URL: must be redis://") as refusal,
        Server(tmp_path / "data", redis_url="redis://user:12/s3cret@host"),
    ):
        pass
    assert "s3cret" not in str(refusal.value)


def workers_of(server: Server) -> set[int]:
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    return {int(number) for number in children.read_text().split()}


def test_workers_share_limits_without_redis(tmp_path: Path) -> None:
    with Server(tmp_path / "data", workers="2", limit_uniqueness_checks_per_network="30/hour") as server:
        assert statuses([server], 60) == [200] * 30 + [429] * 30
        assert server.stop() == 0
    with Server(tmp_path / "data", workers="2") as server:
        assert statuses([server], 1) == [200], "a new server counts from zero"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc")
def test_limits_of_workers_survive_a_killed_worker(tmp_path: Path) -> None:
    with Server(tmp_path / "data", workers="2", limit_uniqueness_checks_per_network="30/hour") as server:
        assert statuses([server], 30) == [200] * 30
        for worker in workers_of(server):
            os.kill(worker, signal.SIGKILL)
            assert eventually(lambda: all_refused(server))  # connections to the killed worker are lost
        assert "The file of shared rate limits is unavailable" not in server.output


def test_workers_count_alone_while_they_cannot_share(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    node_limits_file(data).mkdir()
    with Server(data, workers="2") as server:
        answers = statuses([server], 80)
        assert 30 <= answers.count(200) <= 60
        assert 1 <= server.output.count("The file of shared rate limits is unavailable (IsADirectoryError)") <= 2


NODE = "limits per network are counted for this node alone: several nodes share them by VESTIBULE_REDIS_URL"


@pytest.mark.parametrize(
    ("settings", "warnings"),
    [
        ({"workers": "2"}, 0),
        ({"workers": "1", "database_url": "a PostgreSQL"}, 1),
        ({"workers": "2", "database_url": "a PostgreSQL"}, 1),
        ({"workers": "1", "database_url": "a PostgreSQL", "rate_limits": "off"}, 0),
        ({"workers": "2", "database_url": "a PostgreSQL", "redis_url": "a Redis"}, 0),
    ],
)
def test_several_nodes_without_redis_log_one_warning_with_the_setting(
    tmp_path: Path, settings: dict[str, str], warnings: int, request: pytest.FixtureRequest
) -> None:
    with ExitStack() as stack:
        if "database_url" in settings:
            settings = settings | {"database_url": request.getfixturevalue("postgres")}
        if "redis_url" in settings:
            (tmp_path / "redis").mkdir()
            settings = settings | {"redis_url": stack.enter_context(RedisServer(tmp_path / "redis")).url}
        server = stack.enter_context(Server(tmp_path / "data", environment=None, **settings))
        assert server.output.count(NODE) == warnings
