"""The requests of each call to each server, and the number of clients."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from itertools import count, cycle, islice
from random import Random
from secrets import token_hex

from msgspec.json import decode
from PIL import Image

from vestibule import Settings, build
from vestibule.adapters.keys import FileKeyStore, JwtTokens, ReloadingKeys
from vestibule.domain.code import CodePurpose
from vestibule.entrypoints.container.factories import keys_file
from vestibule.entrypoints.facade import Vestibule

from . import seed
from .load import Script, get, post, request
from .servers import PASSWORD, Server

ACCOUNT, REFRESH, LOGIN, REGISTER = "account read", "refresh", "login", "register"
UNIQUE, SEND, VERIFY, UPLOAD = "uniqueness check", "code send", "code verify", "image upload"

CONNECTIONS = {ACCOUNT: 32, REFRESH: 32, LOGIN: 8, REGISTER: 8, UNIQUE: 32, SEND: 32, VERIFY: 32, UPLOAD: 4}
"""Concurrent clients of each call."""

Scripts = Callable[[int], list[Script]]
"""Makes the given number of scripts."""


@dataclass
class Subject:
    """A server to measure, and its calls."""

    name: str
    server: Server
    calls: Mapping[str, Scripts]
    prepare: Callable[[str, float], None] | None = None
    """Called before each run, with the call and the seconds of the run."""
    workers: int = 1

    def clients(self, call: str) -> int:
        """As many for each worker, so that each has as many calls at once to share a commit or a query."""
        return CONNECTIONS.get(call, 32) * self.workers


@dataclass
class Person:
    """An account with its tokens."""

    username: str
    token: str
    refresh: str


def reads(path: str, people: list[Person], connections: int) -> list[Script]:
    """Scripts that read accounts, each those of its own people in turn."""

    def script(some: list[Person]) -> Script:
        requests = cycle([get(path, person.token) for person in some])
        while True:
            yield next(requests)

    return [script(people[at::connections]) for at in range(connections)]


def same(message: bytes, connections: int) -> list[Script]:
    def script() -> Script:
        while True:
            yield message

    return [script() for _ in range(connections)]


def each_new(make: Callable[[], bytes], connections: int) -> list[Script]:
    def script() -> Script:
        while True:
            yield make()

    return [script() for _ in range(connections)]


class Vestibules:
    """The calls of Vestibule, for seeded accounts. Shares the server's database and keys, to make tokens.

    The first half of the people read their accounts; the others refresh and log in, and so write.
    """

    def __init__(self, inside: Vestibule, accounts: int, limit: int = 2_000) -> None:
        # Like the server's own tokens, but valid for an hour: a run takes longer than 300 seconds.
        self._tokens = JwtTokens(
            ReloadingKeys(FileKeyStore(keys_file(inside.settings))),
            issuer=inside.settings.url,
            audience=inside.settings.url,
            access_seconds=3600,
        )
        chosen = Random(accounts).sample(range(1, accounts + 1), min(accounts, limit))  # noqa: S311 — the same ones each time
        people = [self._person(inside, number) for number in chosen]
        self._inside = inside
        self._readers, self._writers = people[: len(people) // 2], people[len(people) // 2 :]
        self._turn = 0
        self._codes: list[bytes] = []
        self._name, self._number = token_hex(4), count()
        self._picture = upload_body(picture())

    @property
    def calls(self) -> dict[str, Scripts]:
        return {
            ACCOUNT: partial(reads, "/account/", self._readers),
            REFRESH: self.refreshes,
            LOGIN: partial(each_new, self._login),
            REGISTER: partial(each_new, self._registration),
            UNIQUE: partial(each_new, self._uniqueness),
            SEND: partial(each_new, self._send),
            VERIFY: self.verifications,
            UPLOAD: self.uploads,
        }

    def prepare(self, call: str, seconds: float) -> None:
        """Makes more codes than the run can verify."""
        if call != VERIFY:
            return
        self._drop_messages()
        for _ in range(int(2_500 * seconds)):
            self._inside.request_code(destination=f"{self._new_name()}@example.com")
        codes = self._inside.deliver_messages.codes
        for message in self._drop_messages():
            self._codes.append(post("/otp/", {"destination": message[2], "verify_otp": codes.code(*message)}))

    def refreshes(self, connections: int) -> list[Script]:
        return [self._refreshing(person) for person in islice(self._others(), connections)]

    def verifications(self, connections: int) -> list[Script]:
        codes, self._codes = self._codes, []
        return [_all(codes[at::connections]) for at in range(connections)]

    def uploads(self, connections: int) -> list[Script]:
        some = list(islice(self._others(), connections))
        return [script for person in some for script in same(upload(self._picture, person.token), 1)]

    def _person(self, inside: Vestibule, number: int) -> Person:
        now, session, tokens = inside.clock(), seed.session_id(number), self._tokens
        return Person(seed.username(number), tokens.issue_access(number, session, now), tokens.issue_refresh(session, 0))

    def _others(self) -> Iterator[Person]:
        while True:
            self._turn += 1
            yield self._writers[self._turn % len(self._writers)]

    def _refreshing(self, person: Person) -> Script:
        while True:
            status, body = yield post("/refresh-token/", {"refresh": person.refresh})
            if status == 200:
                person.refresh = decode(body)["refresh_token"]

    def _login(self) -> bytes:
        return post("/login/", {"username": next(self._others()).username, "password": PASSWORD})

    def _registration(self) -> bytes:
        new = self._new_name()
        return post("/register/", {"username": new, "name": "New", "email": f"{new}@example.com", "password": PASSWORD})

    def _uniqueness(self) -> bytes:
        return post("/isunique/", {"prop": "email", "value": f"{self._new_name()}@example.com"})

    def _send(self) -> bytes:
        return post("/otp/", {"destination": f"{self._new_name()}@example.com"})

    def _new_name(self) -> str:
        return f"newcomer.{self._name}.{next(self._number)}"

    def _drop_messages(self) -> list[tuple[str, CodePurpose, str]]:
        """Empties the outbox, where no delivery worker runs and messages would slow queries down; returns the challenges."""
        database = self._inside.deliver_messages.database
        found = []
        while some := database.outbox.find(failed=False, after=0, limit=500):
            with database.begin() as tx:
                for posted in some:
                    if posted.message.challenge:
                        found.append(posted.message.challenge)
                    tx.outbox.delete(posted.message.id)
        return found


@contextmanager
def opened(server: Server, accounts: int) -> Iterator[Subject]:
    """A running, seeded Vestibule as a subject."""
    with build(Settings.from_environment(server.environment), run_workers=False) as inside:
        clients = Vestibules(inside, accounts)
        yield Subject(server.name, server, clients.calls, clients.prepare)


def picture(side: int = 400) -> bytes:
    """A JPEG that costs the decoder as much as a photograph, and is small enough to be sent quickly."""
    small = Image.frombytes("RGB", (40, 40), Random(1).randbytes(40 * 40 * 3))  # noqa: S311 — the same image each time
    data = BytesIO()
    small.resize((side, side), Image.Resampling.BICUBIC).save(data, "JPEG", quality=85)
    return data.getvalue()


def upload_body(data: bytes) -> bytes:
    head = (
        b'--part\r\nContent-Disposition: form-data; name="profile_image"; filename="me.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    )
    return head + data + b"\r\n--part--\r\n"


def upload(body: bytes, token: str) -> bytes:
    headers = {"Content-Type": "multipart/form-data; boundary=part", "Authorization": f"Bearer {token}"}
    return request("POST", "/upload-image/", headers, body)


def _all(messages: list[bytes]) -> Script:
    left = iter(messages)
    while (message := next(left, None)) is not None:
        yield message
