"""Other account services as rows of the same table: small apps as in their documentation, with the same cost of passwords.

They are installed below `.build/` on demand, and are no dependency of Vestibule.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from secrets import token_hex

from msgspec.json import decode

from ..calls import ACCOUNT, CONNECTIONS, LOGIN, REFRESH, REGISTER, UNIQUE, Person, Scripts, Subject, each_new, reads
from ..load import Script, call_once, get, post, request
from ..measure import Progress
from ..places import Places
from ..servers import COST, PASSWORD, ROOT, Server, free_port

FASTAPI_USERS, DRF_USER, BETTER_AUTH = "fastapi-users, SQLite", "drf-user, SQLite", "better-auth, SQLite"
PEERS = {
    FASTAPI_USERS: (
        "fastapi-users[sqlalchemy]==15.0.5",
        "aiosqlite==0.22.1",
        "uvicorn[standard]==0.54.0",
        "pwdlib[argon2]==0.3.0",
    ),
    DRF_USER: ("drf-user==1.1.0", "django==5.2.19", "gunicorn==27.0.1", "argon2-cffi==25.1.0", "pytz"),
    BETTER_AUTH: ("better-auth@1.7.25", "better-sqlite3@12.11.1", "@node-rs/argon2@2.2.1"),
}
PEOPLE = 40

_APPS = Path(__file__).parent / "apps"
_COST = ",".join(map(str, COST))


@dataclass
class Peer:
    """The requests of one service: registration, login, and each call."""

    server: Server
    register: Callable[[str], bytes]
    log_in: Callable[[str], bytes]
    person: Callable[[str, dict[str, object]], Person]
    account: str
    refreshing: Callable[[Person], Script] | None = None
    unique: Callable[[str], bytes] | None = None

    def calls(self, people: list[Person]) -> dict[str, Scripts]:
        new_names = (f"newcomer{token_hex(4)}{number}" for number in count())
        turns = (people[number % len(people)] for number in count())
        calls: dict[str, Scripts] = {
            ACCOUNT: partial(reads, self.account, people),
            LOGIN: partial(each_new, lambda: self.log_in(next(turns).username)),
            REGISTER: partial(each_new, lambda: self.register(next(new_names))),
        }
        if (unique := self.unique) is not None:
            calls[UNIQUE] = partial(each_new, lambda: unique(next(new_names)))
        if (refreshing := self.refreshing) is not None:
            calls[REFRESH] = lambda clients: [refreshing(person) for person in people[:clients]]
        return calls

    def people(self) -> list[Person]:
        """Registers accounts, and logs them in."""
        found = []
        for number in range(max(PEOPLE, CONNECTIONS[ACCOUNT])):
            name = f"testuser{number}"
            for message in (self.register(name), self.log_in(name)):
                status, body = call_once(self.server.port, message)
                if status >= 300:
                    raise RuntimeError(f"{self.server.name} refuses: {status} {body[:300]!r}")
            found.append(self.person(name, decode(body)))
        return found


def install(peer: str, progress: Progress) -> bool:
    """Whether the service is installed; reports the reason if not."""
    directory = _directory(peer)
    if (directory / "installed").is_file():
        return True
    progress(f"{peer}: installing into {directory.relative_to(ROOT)}")
    directory.mkdir(parents=True, exist_ok=True)
    try:
        if peer == BETTER_AUTH:
            _run(directory, "npm", "install", "--no-audit", "--no-fund", "--prefix", directory, *PEERS[peer])
            _run(directory, "npm", "rebuild", "--prefix", directory, "better-sqlite3")  # newer npm builds nothing by default
        else:
            _run(directory, sys.executable, "-m", "venv", directory / "venv")
            _run(directory, directory / "venv/bin/python", "-m", "pip", "install", "--quiet", *PEERS[peer])
    except (OSError, subprocess.CalledProcessError) as fault:
        progress(f"{peer} is left out, because its installation failed: {fault}; see {directory.relative_to(ROOT)}/install.log")
        return False
    (directory / "installed").touch()
    return True


@contextmanager
def opened(peer: str, places: Places, cores: set[int]) -> Iterator[Subject]:
    """A running server of the service, with logged-in accounts."""
    make = {FASTAPI_USERS: _fastapi_users, DRF_USER: _drf_user, BETTER_AUTH: _better_auth}[peer]
    there = make(places.directory / peer.partition(",")[0], cores)
    with there.server:
        yield Subject(peer, there.server, there.calls(there.people()))


def _fastapi_users(directory: Path, cores: set[int]) -> Peer:
    directory.mkdir()
    port = free_port()
    words: list[str | Path] = [
        _directory(FASTAPI_USERS) / "venv/bin/uvicorn",
        "fastapi_users_app:app",
        "--port",
        str(port),
        "--log-level",
        "error",
    ]
    environment = {"COST": _COST, "DATABASE_URL": f"sqlite+aiosqlite:///{directory}/peer.db", "PYTHONPATH": str(_APPS)}
    server = Server(FASTAPI_USERS, words, environment, port, directory / "log", cores, ready="/ready")

    def log_in(name: str) -> bytes:
        form = f"username={name}@example.com&password={PASSWORD.replace(' ', '+')}".encode()
        return request("POST", "/login", {"Content-Type": "application/x-www-form-urlencoded"}, form)

    return Peer(
        server,
        register=lambda name: post("/register", {"email": f"{name}@example.com", "password": PASSWORD}),
        log_in=log_in,
        person=lambda name, said: Person(name, str(said["access_token"]), ""),
        account="/users/me",
    )


def _drf_user(directory: Path, cores: set[int]) -> Peer:
    directory.mkdir()
    port = free_port()
    environment = {"COST": _COST, "DATABASE": f"{directory}/peer.db", "PYTHONPATH": str(_APPS)}
    migrating = [str(_directory(DRF_USER) / "venv/bin/python"), "-m", "drf_user_site"]
    subprocess.run(migrating, env=environment | {"MIGRATE": "1"}, check=True, capture_output=True)
    words: list[str | Path] = [
        _directory(DRF_USER) / "venv/bin/gunicorn",
        "drf_user_site:application",
        "--bind",
        f"127.0.0.1:{port}",
    ]
    words += ["--worker-class", "gthread", "--threads", "8", "--log-level", "error"]
    server = Server(DRF_USER, words, environment, port, directory / "log", cores, ready="/ready")

    def refreshing(person: Person) -> Script:
        while True:
            yield post("/api/user/refresh-token/", {"refresh": person.refresh})

    def register(name: str) -> bytes:
        said = {"username": name, "name": "Testuser", "email": f"{name}@example.com", "password": PASSWORD, "mobile": None}
        return post("/api/user/register/", said)

    return Peer(
        server,
        register=register,
        log_in=lambda name: post("/api/user/login/", {"username": name, "password": PASSWORD}),
        person=lambda name, said: Person(name, str(said["token"]), str(said["refresh_token"])),
        account="/api/user/account/",
        refreshing=refreshing,
        unique=lambda name: post("/api/user/isunique/", {"prop": "email", "value": f"{name}@example.com"}),
    )


def _better_auth(directory: Path, cores: set[int]) -> Peer:
    directory.mkdir()
    port = free_port()
    environment = {"COST": _COST, "DATABASE": f"{directory}/peer.db", "PORT": str(port), "NODE_ENV": "production"}
    words: list[str | Path] = ["node", _APPS / "better_auth.mjs"]
    installed = _directory(BETTER_AUTH)
    server = Server(BETTER_AUTH, words, environment, port, directory / "log", cores, ready="/ready", directory=installed)

    def register(name: str) -> bytes:
        return post("/api/auth/sign-up/email", {"name": name, "email": f"{name}@example.com", "password": PASSWORD})

    def refreshing(person: Person) -> Script:
        """Reads the session, which better-auth extends once a day."""
        while True:
            yield get("/api/auth/get-session?disableCookieCache=true", person.token)

    return Peer(
        server,
        register=register,
        log_in=lambda name: post("/api/auth/sign-in/email", {"email": f"{name}@example.com", "password": PASSWORD}),
        person=lambda name, said: Person(name, str(said["token"]), ""),
        account="/api/auth/get-session",
        refreshing=refreshing,
    )


def _directory(peer: str) -> Path:
    return ROOT / ".build" / "peers" / peer.partition(",")[0]


def _run(directory: Path, *words: str | Path) -> None:
    with (directory / "install.log").open("ab") as log:
        subprocess.run([str(word) for word in words], check=True, stdout=log, stderr=subprocess.STDOUT)
