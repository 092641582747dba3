"""Forked processes: each uses connections, threads and locks of its own, also for use cases that its parent has built."""

import ast
import gc
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from weakref import ref

import httpx
import pytest
from tests.support.processes import eventually
from tests.support.server_process import ServerProcess

import vestibule
from vestibule import forks

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")

SOURCE = Path(vestibule.__file__).parent
CALLS = 300
SECONDS = 60
"""After which a child that hangs is killed."""

BUILT = f"""
import asyncio, multiprocessing, os, signal, sys, threading, time, traceback
from pathlib import Path
import vestibule

PASSWORD = "the engine weaves algebra"
url, directory = sys.argv[1], Path(sys.argv[2])
settings = vestibule.Settings(data_dir=directory, database_url=url or None, rate_limits=False)

def enter(accounts):
    tokens = dict()
    for name in ("ada", "bob"):
        accounts.register(username=name, name=name.title(), email=name + "@example.com", password=PASSWORD)
        tokens[name] = accounts.log_in(username=name, password=PASSWORD).access_token
    return tokens

def use(accounts, tokens, name, calls={CALLS}):
    for _ in range(calls):
        found = accounts.authenticate(tokens[name]).account.username.text
        assert found == name, f"the token of {{name}} gave {{found}}"
    accounts.log_in(username=name, password=PASSWORD)

def forked(run):
    "Runs a function in a child, which is killed if it hangs; returns its pid."
    child = os.fork()
    if child:
        return child
    signal.alarm({SECONDS})
    status = 1
    try:
        run()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)

def ended_well(child):
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == 0, status
"""


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    return "" if request.param == "sqlite" else str(request.getfixturevalue("postgres"))


def run(program: str, url: str, directory: Path, **environment: str) -> str:
    """Runs a program that begins with `BUILT` and returns its output."""
    ended = subprocess.run(
        [sys.executable, "-c", BUILT + program, url, directory],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=3 * SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


# --- blocking and awaited calls ---------------------------------------------------------------------------------------


def test_parent_and_child_each_authenticate_their_own_token(url: str, tmp_path: Path) -> None:
    program = """
with vestibule.build(settings) as accounts:
    tokens = enter(accounts)
    child = forked(lambda: use(accounts, tokens, "bob"))
    use(accounts, tokens, "ada")
    ended_well(child)
    use(accounts, tokens, "ada", 10)
"""
    run(program, url, tmp_path)


def test_children_of_a_process_whose_threads_are_inside_calls(url: str, tmp_path: Path) -> None:
    program = """
def busy(turn):
    while not over.is_set():
        try:
            [lambda: accounts.log_in(username="ada", password=PASSWORD), lambda: accounts.authenticate(tokens["ada"]),
             lambda: accounts.check_unique(prop="username", value="carl"), lambda: accounts.purge()][turn % 4]()
        except vestibule.Unavailable:  # overloaded
            pass

over = threading.Event()
with vestibule.build(settings) as accounts:
    tokens = enter(accounts)
    threads = [threading.Thread(target=busy, args=[turn]) for turn in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        children = [forked(lambda: use(accounts, tokens, "bob", 20)) for _ in range(2)]
        use(accounts, tokens, "ada", 20)
        for child in children:
            ended_well(child)
    over.set()
    for thread in threads:
        thread.join()
"""
    run(program, url, tmp_path)


def test_awaited_calls_of_parent_and_child(url: str, tmp_path: Path) -> None:
    program = """
async def use_awaited(name):
    awaited = vestibule.AsyncVestibule(accounts) if new_facade else inherited
    for _ in range(10):
        for identity in await asyncio.gather(*(awaited.authenticate(tokens[name]) for _ in range(30))):
            assert identity.account.username.text == name
    async with asyncio.timeout(30):
        await awaited.log_in(username=name, password=PASSWORD)
        identity = await awaited.authenticate(tokens[name])
        await asyncio.gather(*(awaited.change_account(identity=identity, name=f"{name} {n}") for n in range(5)))

build = vestibule.build(settings)
inherited = asyncio.run(build.aopen())
accounts = inherited.blocking
tokens = enter(accounts)
for new_facade in (False, True):
    asyncio.run(use_awaited("ada"))
    child = forked(lambda: asyncio.run(use_awaited("bob")))
    asyncio.run(use_awaited("ada"))
    ended_well(child)
loop = asyncio.new_event_loop()
loop.run_until_complete(use_awaited("ada"))
ended_well(forked(lambda: asyncio.run(build.aclose())))
loop.run_until_complete(use_awaited("ada"))
loop.run_until_complete(build.aclose())
"""
    run(program, url, tmp_path)


def test_processes_of_multiprocessing(url: str, tmp_path: Path) -> None:
    program = """
def in_process(name):
    use(accounts, tokens, name, 50)
    return name

with vestibule.build(settings) as accounts:
    tokens = enter(accounts)
    with multiprocessing.get_context("fork").Pool(3) as pool:
        names = ["ada", "bob"] * 6
        assert pool.map_async(in_process, names, chunksize=1).get(60) == names
        use(accounts, tokens, "ada")
"""
    run(program, url, tmp_path)


def test_child_opens_its_build_again_and_leaves_that_of_the_parent(url: str, tmp_path: Path) -> None:
    program = """
def again():
    use(accounts, tokens, "bob", 3)
    build.close()
    try:
        accounts.authenticate(tokens["bob"])
    except RuntimeError as closed:
        assert str(closed) == "This Vestibule is closed."
    else:
        raise AssertionError
    with build as reopened:
        use(reopened, tokens, "bob", 3)
        reopened.request_code(destination="bob@example.com")
        outbox = directory / "outbox"
        while not [one for one in outbox.rglob("*") if one.is_file()]:
            time.sleep(0.02)  # its own threads deliver

build = vestibule.build(settings)
accounts = build.open()
tokens = enter(accounts)
ended_well(forked(again))
use(accounts, tokens, "ada", 3)
build.close()
"""
    run(program, url, tmp_path)


# --- inside a transaction, a thread and a subscription ------------------------------------------------------------------


def test_child_forked_inside_a_transaction_changes_nothing_and_says_so(url: str, tmp_path: Path) -> None:
    program = """
def go_on():
    try:
        transaction.__exit__(None, None, None)
    except (RuntimeError, vestibule.Unavailable):
        pass
    else:
        raise AssertionError("the child committed the transaction of its parent")
    if url:
        use(accounts, tokens, "bob", 3)
        return
    for call in (lambda: use(accounts, tokens, "bob"), lambda: accounts.log_in(username="bob", password=PASSWORD)):
        try:
            call()
        except RuntimeError as refused:
            assert "was forked while" in str(refused), refused
        else:
            raise AssertionError

with vestibule.build(settings) as accounts:
    tokens = enter(accounts)
    transaction = accounts.log_in.database.begin()
    tx = transaction.__enter__()
    tx.audit_log.add(vestibule.Event(type=vestibule.EventType.LOGGED_OUT, occurred_at=time.time(), detail="by the parent"))
    ended_well(forked(go_on))
    transaction.__exit__(None, None, None)
    assert any(event.detail == "by the parent" for _, event in accounts.read_audit_log(vestibule.AuditQuery()))
    use(accounts, tokens, "ada", 10)
"""
    run(program, url, tmp_path)


def test_workers_and_subscriptions_stay_with_the_parent(url: str, tmp_path: Path) -> None:
    program = """
def threads():
    return {thread.name for thread in threading.enumerate()}

def handler(position, event):
    if event.type == vestibule.EventType.REGISTERED:
        children.append(forked(lambda: None) if event.account_id else None)
        seen.set()

def in_child():
    assert not any(name.startswith(("delivery", "events", "purge")) for name in threads()), threads()
    accounts.request_code(destination="bob@example.com")

children, seen = [], threading.Event()
with vestibule.build(settings) as accounts:
    accounts.subscribe("handler that forks", handler)
    tokens = enter(accounts)
    assert seen.wait(30)
    ended_well(children[0])
    ended_well(forked(in_child))
    deadline = time.monotonic() + 30
    while len(list(accounts.list_messages())):  # the parent delivers what the child has asked for
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert any(name.startswith("events") for name in threads())
"""
    run(program, url, tmp_path)


# --- servers ----------------------------------------------------------------------------------------------------------

APPLICATION = (
    BUILT
    + """
from django.conf import settings as django_settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import JsonResponse
from django.urls import path
from vestibule.entrypoints.http import create_app

accounts = vestibule.build(settings).open()
tokens = enter(accounts)
use(accounts, tokens, "ada", 10)

def who(request, name):
    found = accounts.authenticate(tokens[name]).account.username.text
    return JsonResponse({"pid": os.getpid(), "name": found})

def log_in(request, name):
    accounts.log_in(username=name, password=PASSWORD)
    return JsonResponse({"pid": os.getpid()})

urlpatterns = [path("who/<name>/", who), path("log-in/<name>/", log_in)]
django_settings.configure(ALLOWED_HOSTS=["127.0.0.1"], ROOT_URLCONF=__name__, SECRET_KEY="for this test")
application = WSGIHandler()
mounted = create_app(accounts)
"""
)


class Gunicorn(ServerProcess):
    """Gunicorn with three workers, forked from a process that has built the use cases and called them."""

    START_SECONDS = 60
    WORKERS = 3

    def __init__(self, application: str, url: str, directory: Path, *options: str) -> None:
        super().__init__()
        self._directory = directory
        self._application = application
        self._options_ = options
        loaded = APPLICATION.replace("sys.argv[1]", repr(url)).replace("sys.argv[2]", repr(str(directory / "data")))
        (directory / "application.py").write_text(loaded)

    def command(self) -> Sequence[object]:
        own = "--preload", "--workers", str(self.WORKERS), "--bind", f"127.0.0.1:{self.port}", "--chdir", self._directory
        return sys.executable, "-m", "gunicorn", *own, *self._options_, f"application:{self._application}"

    def kill(self) -> None:
        """Stops the workers too."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        finally:
            super().kill()


def test_django_in_gunicorn_that_loads_it_before_the_forks(url: str, tmp_path: Path) -> None:
    answered: set[int] = set()  # process ids of workers
    with Gunicorn("application", url, tmp_path, "--threads", "2") as server:
        try:
            while len(answered) < Gunicorn.WORKERS:
                with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=30) as client:

                    def ask(number: int, client: httpx.Client = client) -> tuple[str, str, int]:
                        name = ("ada", "bob")[number % 2]
                        answer = client.get(f"/who/{name}/").raise_for_status().json()
                        return name, answer["name"], answer["pid"]

                    with ThreadPoolExecutor(8) as threads:
                        answers = list(threads.map(ask, range(400)))
                    assert [found for _, found, _ in answers] == [asked for asked, _, _ in answers]
                    for name in ("ada", "bob"):
                        client.get(f"/log-in/{name}/").raise_for_status()
                # A quiet machine may give all connections to one worker: those that have answered are stopped.
                answered |= {pid for _, _, pid in answers}
                if len(answered) < Gunicorn.WORKERS:
                    for pid in answered:
                        os.kill(pid, signal.SIGSTOP)
        finally:
            for pid in answered:
                os.kill(pid, signal.SIGCONT)


def test_http_app_in_gunicorn_that_loads_it_before_the_forks(url: str, tmp_path: Path) -> None:
    with (
        Gunicorn("mounted", url, tmp_path, "--worker-class", "asgi") as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=30) as client,
    ):
        tokens = {}
        for name in ("ada", "bob"):
            answer = client.post("/login/", json={"username": name, "password": "the engine weaves algebra"})
            assert answer.status_code == 200, answer.text
            tokens[name] = answer.json()["token"]

        def ask(number: int) -> bool:
            name = ("ada", "bob")[number % 2]
            answer = client.get("/account/", headers={"Authorization": f"Bearer {tokens[name]}"})
            return bool(answer.raise_for_status().json()["username"] == name)

        with ThreadPoolExecutor(8) as threads:
            assert all(threads.map(ask, range(400)))


CELERY = (
    BUILT
    + """
from celery import Celery

app = Celery("application", broker="filesystem://", backend="file://" + str(directory / "results"))
folders = dict(data_folder_in=str(directory / "queue"), data_folder_out=str(directory / "queue"),
               processed_folder=str(directory / "processed"), control_folder=str(directory / "control"))
app.conf.update(broker_transport_options=folders, worker_prefetch_multiplier=1, broker_connection_retry_on_startup=True)
accounts = vestibule.build(settings).open()
tokens = enter(accounts) if "worker" in sys.argv else dict()

@app.task
def work(name):
    use(accounts, tokens, name, 60)
    return os.getpid()
"""
)

ASK_CELERY = """
import sys
from application import work
results = [work.delay(name) for name in ("ada", "bob") * 6]
print(len({result.get(timeout=60) for result in results}))
"""


def test_processes_of_celery(url: str, tmp_path: Path) -> None:
    for folder in ("queue", "processed", "control", "results"):
        (tmp_path / folder).mkdir()
    loaded = CELERY.replace("sys.argv[1]", repr(url)).replace("sys.argv[2]", repr(str(tmp_path)))
    (tmp_path / "application.py").write_text(loaded)
    with celery_worker(tmp_path):
        asked = subprocess.run(
            [sys.executable, "-c", ASK_CELERY], cwd=tmp_path, capture_output=True, text=True, timeout=2 * SECONDS, check=False
        )
    assert asked.returncode == 0, asked.stderr + (tmp_path / "log").read_text()
    assert int(asked.stdout) > 1


@contextmanager
def celery_worker(directory: Path) -> Iterator[None]:
    """A worker with three processes, once it is ready."""
    command = [sys.executable, "-m", "celery", "-A", "application", "worker", "--pool", "prefork", "-c", "3"]
    log = directory / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "-l", "INFO", "--without-gossip", "--without-mingle"],
            cwd=directory,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            assert eventually(lambda: "ready." in log.read_text() or process.poll() is not None, 60)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


# --- the testing kit --------------------------------------------------------------------------------------------------


def test_world_goes_on_with_a_copy_of_its_memory_in_a_child(tmp_path: Path) -> None:
    program = """
from vestibule.testing import World

def busy():
    while not over.is_set():
        world.create_account(f"user{time.monotonic_ns()}")

def in_child():
    world.log_in_as("ada")
    world.create_account("bob")
    assert len(world.events(vestibule.EventType.LOGGED_IN)) == 2

world, over = World(rate_limits=False), threading.Event()
world.create_account("ada")
world.log_in_as("ada")
threads = [threading.Thread(target=busy) for _ in range(2)]
for thread in threads:
    thread.start()
for _ in range(10):
    ended_well(forked(in_child))
over.set()
for thread in threads:
    thread.join()
world.create_account("bob")
assert len(world.events(vestibule.EventType.LOGGED_IN)) == 1
"""
    run(program, "", tmp_path)


# --- the rule ---------------------------------------------------------------------------------------------------------

PER_PROCESS = {
    "BoundedSemaphore", "Condition", "Event", "LifoQueue", "Lock", "QueuePool", "Queue", "RLock", "Semaphore", "Signal",
    "SimpleQueue", "ThreadPoolExecutor", "Timer",
}  # fmt: skip
"""Calls that make a lock, a queue or threads."""

ELSEWHERE = {"Scrape": "its lock belongs to one scrape"}


def classes_with_state_of_one_process() -> dict[str, ast.ClassDef]:
    found = {}
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef) and _makes_state_of_one_process(node):
                found[node.name] = node
    return found


def _makes_state_of_one_process(node: ast.ClassDef) -> bool:
    for assigned in ast.walk(node):
        if isinstance(assigned, ast.Assign | ast.AnnAssign) and assigned.value is not None:
            targets = assigned.targets if isinstance(assigned, ast.Assign) else [assigned.target]
            on_self = any(isinstance(target, ast.Attribute) for target in targets)
            calls = [call.func for call in ast.walk(assigned.value) if isinstance(call, ast.Call)]
            names = {getattr(call, "id", getattr(call, "attr", "")) for call in calls}
            if on_self and not names.isdisjoint(PER_PROCESS):
                return True
    return False


def test_every_class_with_locks_or_threads_renews_them_in_a_child() -> None:
    found = classes_with_state_of_one_process()
    assert len(found) >= 15
    bases = {name: {getattr(base, "id", "") for base in node.bases} for name, node in found.items()}
    renewing = {
        name
        for name, node in found.items()
        if any(isinstance(part, ast.FunctionDef) and part.name == "renew" for part in node.body)
    }
    missing = {name for name in found if name not in renewing and not bases[name] & renewing} - ELSEWHERE.keys()
    assert missing == set()


def test_watched_objects_can_be_collected() -> None:
    class Renewed:
        def renew(self) -> None: ...

    renewed = Renewed()
    forks.watch(renewed)
    known = ref(renewed)
    del renewed
    gc.collect()
    assert known() is None
