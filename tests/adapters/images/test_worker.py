"""The worker processes of `PillowImages`: limits, confinement, and their end with the server (Linux)."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import pytest
from PIL import Image
from tests.support.http_client import thousand_scans

from vestibule.adapters import images as images_package
from vestibule.adapters.images import PillowImages
from vestibule.application.ports import UnreadableImage
from vestibule.domain.errors import Overloaded, Unavailable

WORKER = Path(images_package.__file__).with_name("worker.py")
Found = TypeVar("Found")


def file_of(image: Image.Image, kind: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


SMALL = file_of(Image.new("RGB", (8, 8), "red"), "PNG")
MEDIUM = file_of(Image.effect_noise((1024, 1024), 64), "PNG")
LARGE = file_of(Image.new("RGBA", (4096, 4096), (1, 2, 3, 4)), "WEBP", lossless=True, method=0, quality=0)


def children_of(pid: int) -> list[int]:
    children = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            children.append(int(stat.parent.name))
    return children


def until(look: Callable[[], Found], seconds: float = 20.0) -> Found:
    """Returns the first result of `look` that is not empty."""
    deadline = time.monotonic() + seconds
    while not (result := look()):
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.001)
    return result


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@contextmanager
def started(images: PillowImages) -> Iterator[tuple[PillowImages, int]]:
    """Yields the images with the pid of its one worker, which has decoded an image already."""
    before = set(children_of(os.getpid()))
    with closing(images):
        images.normalise(SMALL)
        (worker,) = set(children_of(os.getpid())) - before
        yield images, worker


class TestLimits:
    def test_memory_limit_rejects_one_image_only(self) -> None:
        with started(PillowImages(memory_bytes=160 << 20)) as (images, worker):
            with pytest.raises(UnreadableImage, match=r"memory|damaged"):
                images.normalise(LARGE)
            assert images.normalise(SMALL)
            assert not is_gone(worker)

    def test_largest_image_fits_into_the_default_memory(self) -> None:
        with closing(PillowImages()) as images:
            assert images.normalise(LARGE)

    def test_processor_time_limit_rejects_one_image_only(self) -> None:
        hostile = thousand_scans()
        assert len(hostile) < 5 << 20
        with started(PillowImages(cpu_seconds=1, wall_seconds=60)) as (images, worker):
            with pytest.raises(UnreadableImage, match="takes too long"):
                images.normalise(hostile)
            assert images.normalise(SMALL)
            assert not is_gone(worker)

    def test_processor_time_is_limited_to_a_fraction_of_a_second(self) -> None:
        with started(PillowImages(cpu_seconds=0.25, wall_seconds=60)) as (images, worker):
            with pytest.raises(UnreadableImage, match="takes too long"):
                images.normalise(thousand_scans())
            fields = Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()
            spent_by_forks = sum(int(field) for field in fields[13:15]) / os.sysconf("SC_CLK_TCK")
        assert spent_by_forks < 0.8, "the limit of the kernel counts whole seconds"

    def test_processor_time_is_limited_per_image(self) -> None:
        with started(PillowImages(cpu_seconds=1, wall_seconds=60)) as (images, worker):
            spent = 0.0
            while spent < 1.5:
                images.normalise(MEDIUM)
                fields = Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()
                spent = sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")
            assert not is_gone(worker)

    def test_wall_time_limit_rejects_the_image_and_replaces_the_worker(self) -> None:
        with started(PillowImages(wall_seconds=0.3)) as (images, worker):
            os.kill(worker, signal.SIGSTOP)
            with pytest.raises(UnreadableImage, match="takes too long"):
                images.normalise(SMALL)
            assert is_gone(worker)
            assert images.normalise(SMALL)

    def test_full_queue_raises_overloaded_at_once(self) -> None:
        with started(PillowImages(queue=2, wall_seconds=60)) as (images, worker), ThreadPoolExecutor(8) as pool:
            os.kill(worker, signal.SIGSTOP)
            waiting: set[Future[bytes]] = {pool.submit(images.normalise, SMALL) for _ in range(8)}
            refused: set[Future[bytes]] = set()
            while len(refused) < 5:
                done, waiting = wait(waiting, timeout=20, return_when=FIRST_COMPLETED)
                assert done
                refused |= done
            assert all(isinstance(call.exception(), Overloaded) for call in refused)
            os.kill(worker, signal.SIGCONT)
            assert [call.result()[:4] for call in waiting] == [b"RIFF"] * 3

    def test_wait_for_a_worker_is_bounded(self, tmp_path: Path) -> None:
        sleeper = tmp_path / "python"
        sleeper.write_text("#!/bin/sh\nexec sleep 60\n")
        sleeper.chmod(0o700)
        before = set(children_of(os.getpid()))
        with closing(PillowImages(wall_seconds=0.2, executable=str(sleeper))) as images, ThreadPoolExecutor(3) as pool:
            calls = [pool.submit(images.normalise, SMALL) for _ in range(3)]
            (child,) = until(lambda: set(children_of(os.getpid())) - before)
            until(lambda: sum(call.done() for call in calls) == 2)
            assert [type(call.exception()) for call in calls if call.done()] == [Overloaded, Overloaded]
            os.kill(child, signal.SIGKILL)
            assert {type(call.exception(timeout=20)) for call in calls} == {Overloaded, Unavailable}


class TestCrash:
    def test_worker_that_died_while_idle_is_replaced(self) -> None:
        with started(PillowImages()) as (images, worker):
            os.kill(worker, signal.SIGKILL)
            until(lambda: is_gone(worker))
            assert images.normalise(SMALL)

    def test_worker_that_dies_during_an_image_is_replaced_with_its_fork(self) -> None:
        with started(PillowImages(cpu_seconds=30, wall_seconds=60)) as (images, worker), ThreadPoolExecutor(1) as pool:
            call = pool.submit(images.normalise, thousand_scans())
            (fork,) = until(lambda: children_of(worker))
            until(lambda: confined_limits(fork))  # it has closed the files of the worker
            os.kill(fork, signal.SIGSTOP)  # or else it might end by itself first
            os.kill(worker, signal.SIGKILL)
            with pytest.raises(UnreadableImage):
                call.result(timeout=20)
            until(lambda: is_gone(fork))
            assert images.normalise(SMALL)

    def test_worker_survives_the_death_of_its_fork(self) -> None:
        with started(PillowImages(cpu_seconds=30, wall_seconds=60)) as (images, worker), ThreadPoolExecutor(1) as pool:
            call = pool.submit(images.normalise, thousand_scans())
            (fork,) = until(lambda: children_of(worker))
            os.kill(fork, signal.SIGSEGV)
            with pytest.raises(UnreadableImage):
                call.result(timeout=20)
            assert images.normalise(SMALL)
            assert not is_gone(worker)

    def test_close_ends_the_worker_and_further_calls_are_unavailable(self) -> None:
        with started(PillowImages()) as (images, worker):
            images.close()
            assert is_gone(worker)
            with pytest.raises(Unavailable):
                images.normalise(SMALL)

    def test_interpreter_that_cannot_start_raises_unavailable(self, tmp_path: Path) -> None:
        for executable in (str(tmp_path / "nothing"), "/bin/true", "/bin/cat"):
            with closing(PillowImages(executable=executable)) as images, pytest.raises(Unavailable):
                images.normalise(SMALL)

    def test_worker_ends_with_the_killed_server(self) -> None:
        program = (
            "import sys; from vestibule.adapters.images import PillowImages; images = PillowImages();"
            "images.normalise(sys.stdin.buffer.read()); print('decoded', flush=True); import signal; signal.pause()"
        )
        with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            server.stdin.write(SMALL)
            server.stdin.close()
            assert server.stdout.readline() == b"decoded\n"
            (worker,) = children_of(server.pid)
            server.kill()
        until(lambda: is_gone(worker))

    def test_fork_of_the_server_starts_its_own_worker(self) -> None:
        with subprocess.Popen(
            [sys.executable, "-c", FORKING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            assert server.stdout.readline() == "decoded\n"
            (worker,) = children_of(server.pid)
            os.kill(worker, signal.SIGSTOP)  # so that it cannot decode for the fork
            server.stdin.write("fork\n")
            server.stdin.flush()
            assert server.stdout.readline() == "fork decoded: True\n"
            os.kill(worker, signal.SIGCONT)
            server.stdin.write("again\n")
            server.stdin.flush()
            assert server.stdout.readline() == "decoded\n"
            assert children_of(server.pid) == [worker]
            server.stdin.close()
        assert server.returncode == 0


FORKING = f"""
import os
from vestibule.adapters.images import PillowImages
images, data = PillowImages(), {SMALL!r}
images.normalise(data)
print("decoded", flush=True)
input()
fork = os.fork()
if fork == 0:
    is_decoded = images.normalise(data).startswith(b"RIFF")
    images.close()
    os._exit(0 if is_decoded else 1)
print("fork decoded:", os.waitpid(fork, 0)[1] == 0, flush=True)
input()
images.normalise(data)
print("decoded", flush=True)
os.read(0, 1)
images.close()
"""


class TestConfinement:
    def test_workers_start_at_the_first_image(self) -> None:
        before = set(children_of(os.getpid()))
        with closing(PillowImages(workers=2)) as images:
            assert set(children_of(os.getpid())) == before
            images.normalise(SMALL)
            images.normalise(SMALL)
            assert len(set(children_of(os.getpid())) - before) == 1

    def test_server_does_not_import_pillow(self) -> None:
        program = "import sys, vestibule.adapters.images; sys.exit('PIL' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0

    def test_worker_inherits_no_environment_and_no_files(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("VESTIBULE_SECRET", "hush")
        spy = tmp_path / "python"
        spy.write_text(f"#!/bin/sh\ncd {tmp_path}; env > environment; ls -l /proc/$$/fd > files\n")
        spy.chmod(0o700)
        with (tmp_path / "database").open("wb") as file:
            os.set_inheritable(file.fileno(), True)
            with closing(PillowImages(executable=str(spy))) as images, pytest.raises(Unavailable):
                images.normalise(SMALL)
        assert "hush" not in (tmp_path / "environment").read_text()
        held = [line.rpartition(" -> ")[2] for line in (tmp_path / "files").read_text().splitlines() if " -> " in line]
        assert any(file.startswith("socket:") for file in held)
        assert [file for file in held if not file.startswith(("socket:", "/dev/null", str(spy), str(tmp_path / "files")))] == []

    def test_decoding_fork_cannot_open_write_or_start_anything(self) -> None:
        with started(PillowImages(cpu_seconds=30, wall_seconds=60)) as (images, worker), ThreadPoolExecutor(1) as pool:
            call = pool.submit(images.normalise, thousand_scans())
            (fork,) = until(lambda: children_of(worker))
            limits = until(lambda: confined_limits(fork))
            status = Path(f"/proc/{fork}/status").read_text().splitlines()
            os.kill(fork, signal.SIGKILL)
            with pytest.raises(UnreadableImage):
                call.result(timeout=20)
        assert limits["Max address space"] == str(1 << 30)
        assert (limits["Max cpu time"], limits["Max core file size"], limits["Max file size"]) == ("150", "0", "0")
        assert limits["Max open files"] == "0"
        facts = dict(line.split(":\t", 1) for line in status if ":\t" in line)
        assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2")
        assert facts["Uid"].split() == [str(os.getuid() or 65_534)] * 4, "root becomes a user without rights"
        assert facts["Gid"].split() == [str(65_534 if os.getuid() == 0 else os.getgid())] * 4

    def test_decoding_fork_holds_only_the_pipe_of_its_reply(self) -> None:
        command = [sys.executable, "-c", HELD, str(WORKER)]
        found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        assert found.stdout.splitlines() == ["pipe"]


HELD = """
import os, runpy, stat, sys
worker = runpy.run_path(sys.argv[1])
def reply_to(data, allow):  # runs in the fork, instead of a decoder
    held = []
    for number in range(256):
        try:
            held.append("pipe" if stat.S_ISFIFO(os.fstat(number).st_mode) else "file")
        except OSError:
            pass
    return worker["IMAGE"], "\\n".join(held).encode()
worker["reply_from_fork"].__globals__["reply_to"] = reply_to
print(worker["reply_from_fork"](b"", 5, 5.0)[1].decode())
"""


def test_decoding_fork_starts_threads_and_no_processes() -> None:
    command = [sys.executable, "-c", STARTED, str(WORKER)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout.splitlines() == ["thread", "PermissionError", "PermissionError", "PermissionError"]


STARTED = """
import os, runpy, sys, threading
worker = runpy.run_path(sys.argv[1])
def reply_to(data, allow):  # runs in the fork, instead of a decoder
    found = []
    thread = threading.Thread(target=found.append, args=("thread",))
    thread.start()
    thread.join()
    for start in (os.fork, lambda: os.execv("/bin/true", ["true"]), lambda: os.posix_spawn("/bin/true", ["true"], {})):
        try:
            start()
            found.append("started")
        except OSError as error:
            found.append(type(error).__name__)
    return worker["IMAGE"], "\\n".join(found).encode()
worker["reply_from_fork"].__globals__["reply_to"] = reply_to
worker["protect"]()
print(worker["reply_from_fork"](b"", 5, 5.0)[1].decode())
"""


def confined_limits(pid: int) -> dict[str, str]:
    """Returns the soft limits by name, once the last of them is set; else an empty dict."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
    limits = {line[:26].strip(): line[26:47].strip() for line in lines}
    return limits if limits["Max open files"] == "0" else {}
