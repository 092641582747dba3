"""Several nodes of one service: servers on the same PostgreSQL, Redis, S3, mail server and SMS gateway, with one secret."""

import re
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from secrets import token_urlsafe
from threading import Lock

from tests.support.messages import parsed, part
from tests.support.next_hops import Gateway, Relay, gateway_server, relay
from tests.support.redis_server import RedisServer
from tests.support.s3_server import S3Server
from tests.support.server import Server

CODE = re.compile(r"(?<![\w.-])\d{6}(?![\w.-])")
BUCKET = "images"


class Mail:
    """Mails that the server accepted from the delivery workers of all nodes."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._reading = Lock()
        self._read = 0
        self._texts: dict[str, list[str]] = defaultdict(list)
        self.ids: list[str] = []
        """The `Message-ID` of each mail in the order of arrival."""

    def code(self, destination: str, reference: str, *, within: float = 20) -> str:
        """Returns the code in the mail to that address with that reference."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            for text in reversed(self.to(destination)):
                if reference in text:
                    return str(CODE.findall(text)[0])
            time.sleep(0.02)
        raise TimeoutError(f"no mail to {destination} with {reference}")

    def to(self, destination: str) -> list[str]:
        """Returns the texts of all mails to that address."""
        with self._reading:
            new = self._relay.received[self._read :]
            self._read += len(new)
            for _, [address], raw in new:
                mail = parsed(raw)
                self._texts[address].append(part(mail, "plain"))
                self.ids.append(mail["Message-ID"])
            return list(self._texts[destination])


class Nodes:
    """The servers, each with its own data directory, and the services that they share."""

    def __init__(self, servers: list[Server], mail: Mail, gateway: Gateway, redis: RedisServer, s3: S3Server) -> None:
        self.servers = servers
        self.mail = mail
        self.gateway = gateway
        self.redis = redis
        self.s3 = s3

    @property
    def ports(self) -> list[int]:
        return [server.port for server in self.servers]


@contextmanager
def nodes(directory: Path, database_url: str, *, workers: tuple[int, ...] = (1, 1), **settings: str) -> Iterator[Nodes]:
    """Starts one node per number in `workers`. The nodes trust the `X-Forwarded-For` of callers on this machine."""
    (directory / "redis").mkdir()
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer(directory / "redis"))
        s3 = stack.enter_context(S3Server())
        s3.make(BUCKET)
        mails = stack.enter_context(relay())
        gateway = stack.enter_context(gateway_server())
        shared = {
            "database_url": database_url,
            "secret": token_urlsafe(32),
            "redis_url": redis.url,
            "images_url": f"s3://{BUCKET}",
            "email_url": f"smtp://127.0.0.1:{mails.port}?starttls=off",
            "sms_url": f"json://127.0.0.1:{gateway.port}/send",
            "emails_per_hour": "100000",
            "sms_per_hour": "100000",
            "public_url": "http://accounts.example.com",
            "trusted_proxies": "127.0.0.0/8",
            **settings,
        }
        servers: list[Server] = []
        for number, count in enumerate(workers, start=1):
            data = directory / f"node{number}"
            server = Server(data, environment=s3.environment(), workers=f"{count}", **shared)
            servers.append(stack.enter_context(server))
        yield Nodes(servers, Mail(mails), gateway, redis, s3)
