"""The contract of `Hasher`, and further promises of Argon2id and its thread pool."""

import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from argon2 import PasswordHasher, Type, extract_parameters
from argon2.low_level import hash_secret
from hypothesis import given
from hypothesis import strategies as st

from vestibule.adapters.hasher import Argon2Hasher, HashingPool, InsecureHasher, hashing_threads, pool_for
from vestibule.adapters.hasher.arenas import Arenas, Cost
from vestibule.application.ports import Hasher
from vestibule.domain.errors import Overloaded, Unavailable
from vestibule.testing.contracts import HasherContract
from vestibule.testing.contracts.hasher import PASSWORD

CHEAP = (3, 12 * 1024)


class RecordingPool(HashingPool):
    """A pool that records its jobs."""

    def __init__(self) -> None:
        super().__init__(threads=1, queue=4)
        self.jobs: list[tuple[Any, ...]] = []

    def submit(self, job: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
        self.jobs.append((job, *args))
        return super().submit(job, *args, **kwargs)


@pytest.fixture(scope="module")
def argon2() -> Iterator[Argon2Hasher]:
    hasher = Argon2Hasher(*CHEAP)
    yield hasher
    hasher.close()


@pytest.fixture(scope="module", params=["argon2", "insecure"])
def hasher(request: pytest.FixtureRequest, argon2: Argon2Hasher) -> Hasher:
    return argon2 if request.param == "argon2" else InsecureHasher()


@pytest.fixture
def pool() -> Iterator[RecordingPool]:
    pool = RecordingPool()
    yield pool
    pool.close()


class TestEveryHasher(HasherContract):
    """Argon2id, and the insecure hasher."""


@given(password_hash=st.text(), password=st.text(st.characters(), max_size=20))
def test_insecure_hasher_accepts_any_text(password_hash: str, password: str) -> None:
    hasher = InsecureHasher()
    assert not hasher.verify(password_hash, password)
    assert not hasher.verify(f"quick$1$a${password_hash}", password)
    assert hasher.verify(hasher.hash(password), password)


def test_insecure_hasher_rehashes_other_markers() -> None:
    password_hash = InsecureHasher("old").hash(PASSWORD)
    assert InsecureHasher("new").needs_rehash(password_hash)
    assert InsecureHasher("new").verify(password_hash, PASSWORD)


# --- Argon2id ---------------------------------------------------------------------------------------------------------


def test_default_is_argon2id_with_two_passes_over_19_mib() -> None:
    hasher = Argon2Hasher()
    password_hash = hasher.hash(PASSWORD)
    hasher.close()
    assert password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    parameters = extract_parameters(password_hash)
    assert (parameters.type, parameters.salt_len, parameters.hash_len) == (Type.ID, 16, 32)


def test_hash_with_other_parameters_verifies_and_needs_rehash(argon2: Argon2Hasher) -> None:
    former = Argon2Hasher(time_cost=4, memory_kib=12 * 1024)
    password_hash = former.hash(PASSWORD)
    former.close()
    assert argon2.needs_rehash(password_hash)
    assert argon2.verify(password_hash, PASSWORD)
    assert not argon2.verify(password_hash, "another password")


@pytest.mark.parametrize(
    ("time_cost", "memory_kib", "parallelism"),
    [
        (1, 46 * 1024 - 1, 1),
        (2, 19 * 1024 - 1, 1),
        (3, 12 * 1024 - 1, 1),
        (10, 12 * 1024 - 1, 1),
        (0, 65536, 1),
        (-1, 65536, 1),
        (11, 65536, 1),
        (3, 1024 * 1024 + 1, 1),
        (3, 65536, 17),
        (3, 65536, 0),
        (3, -1, 1),
    ],
)
def test_parameters_out_of_range_are_rejected_in_one_line(time_cost: int, memory_kib: int, parallelism: int) -> None:
    with pytest.raises(ValueError, match=r"^Argon2 [^\n]*\.$"):
        Argon2Hasher(time_cost, memory_kib, parallelism)


@pytest.mark.parametrize(("time_cost", "memory_kib"), [(1, 46 * 1024), (2, 19 * 1024), (3, 12 * 1024)])
def test_minimum_parameters_are_accepted(time_cost: int, memory_kib: int) -> None:
    hasher = Argon2Hasher(time_cost, memory_kib)
    assert hasher.verify(hasher.hash(PASSWORD), PASSWORD)
    hasher.close()


def test_missing_hash_costs_as_much_as_a_stored_one(pool: RecordingPool) -> None:
    hasher = Argon2Hasher(*CHEAP, pool=pool)
    password_hash = hasher.hash(PASSWORD)
    pool.jobs.clear()
    hasher.verify(password_hash, PASSWORD)
    hasher.verify(None, PASSWORD)
    (real_job, real_hash, real_secret), (dummy_job, dummy_hash, dummy_secret) = pool.jobs
    assert real_job == dummy_job
    assert real_secret == dummy_secret
    assert real_hash.encoded() == password_hash
    assert extract_parameters(password_hash) == extract_parameters(dummy_hash.encoded())
    assert real_hash.salt != dummy_hash.salt
    assert real_hash.tag != dummy_hash.tag


TAG = "$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"


@pytest.mark.parametrize(
    "password_hash",
    [
        "$argon2id$v=19$m=1048577,t=2,p=1" + TAG,
        "$argon2id$v=19$m=19456,t=11,p=1" + TAG,
        "$argon2id$v=19$m=19456,t=2,p=17" + TAG,
        "$argon2id$v=19$m=4294967295,t=4294967295,p=255" + TAG,
        "$argon2id$v=19$m=19456,t=2,p=1" + TAG * 20,
        "no hash at all",
    ],
)
def test_hash_above_the_limits_is_replaced_by_the_dummy(
    pool: RecordingPool, password_hash: str, caplog: pytest.LogCaptureFixture
) -> None:
    hasher = Argon2Hasher(*CHEAP, pool=pool)
    assert not hasher.verify(password_hash, PASSWORD)
    ((_, tried, _),) = pool.jobs
    assert tried.cost[:2] == CHEAP
    assert "password hash" in caplog.text
    assert TAG not in caplog.text
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize(
    "parameters", ["m=1_0,t=1,p=1", "m=1,t=1,p=1", "m=0,t=0,p=0", "m=-8,t=-1,p=-1", "t=1,m=8,p=1", "m=8,t=1,p=1,m=9"]
)
def test_hash_that_argon2_rejects_verifies_no_password_and_is_logged(
    argon2: Argon2Hasher, parameters: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert not argon2.verify(f"$argon2id$v=19${parameters}{TAG}", PASSWORD)
    assert "cannot log in by password" in caplog.text


@given(
    variant=st.sampled_from(Type), salt=st.binary(min_size=8, max_size=32), length=st.integers(4, 64), lanes=st.integers(1, 3)
)
def test_hash_is_the_one_that_argon2_computes(
    argon2: Argon2Hasher, variant: Type, salt: bytes, length: int, lanes: int
) -> None:
    password_hash = hash_secret(PASSWORD.encode(), salt, 1, 8 * lanes, lanes, length, variant).decode()
    assert argon2.verify(password_hash, PASSWORD)
    assert not argon2.verify(password_hash, PASSWORD + "!")


def test_argon2_verifies_a_new_hash(argon2: Argon2Hasher) -> None:
    assert PasswordHasher().verify(argon2.hash(PASSWORD), PASSWORD)


def test_hash_of_the_former_version_verifies(argon2: Argon2Hasher) -> None:
    encoded = hash_secret(PASSWORD.encode(), b"somesalt", 1, 64, 1, 32, Type.ID, version=16).decode()
    assert argon2.verify(encoded, PASSWORD)
    assert argon2.verify(encoded.replace("$v=16", ""), PASSWORD)


def test_hash_that_needs_more_memory_than_is_kept_verifies(argon2: Argon2Hasher) -> None:
    password_hash = PasswordHasher(1, 46 * 1024, 1).hash(PASSWORD)
    assert argon2.verify(password_hash, PASSWORD)


# --- the memory of Argon2 ---------------------------------------------------------------------------------------------


def tag(arenas: Arenas) -> bytes:
    return arenas.tag(b"password", b"somesalt", 32, Cost(1, 4096, 1))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts the page faults of a thread")
def test_second_hash_takes_no_memory_from_the_system() -> None:
    arenas = Arenas(4096)
    tag(arenas)
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
    tag(arenas)
    assert resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before < 100  # of 1024 pages


def test_memory_is_kept_once_for_each_hash_at_a_time_and_wiped() -> None:
    arenas = Arenas(4096)
    with ThreadPoolExecutor(2) as threads:
        tags = set(threads.map(lambda _: tag(arenas), range(20)))
    assert len(tags) == 1
    kept = [arena.memory for arena in arenas.free]
    assert len(kept) in {1, 2}
    assert not any(any(memory[:]) for memory in kept)


@pytest.mark.parametrize(("salt", "length"), [(b"short", 32), (b"somesalt", 3)])
def test_memory_is_kept_after_a_hash_that_argon2_rejects(salt: bytes, length: int) -> None:
    arenas = Arenas(4096)
    with pytest.raises(ValueError, match="short"):
        arenas.tag(b"password", salt, length, Cost(1, 4096, 1))
    assert len(arenas.free) == 1


def test_lack_of_memory_is_an_overload() -> None:
    with pytest.raises(Overloaded):
        Arenas(1024).tag(b"password", b"somesalt", 32, Cost(1, 2**40, 1))


NO_EXECUTABLE_MEMORY = """
import ctypes
from vestibule.adapters.hasher import check_known_answers
PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1
print(ctypes.CDLL(None).prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0))
check_known_answers()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a restriction of Linux, which systemd calls MemoryDenyWriteExecute")
def test_hashes_where_no_memory_may_be_executable() -> None:
    done = subprocess.run([sys.executable, "-c", NO_EXECUTABLE_MEMORY], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    if done.stdout != "0\n":
        pytest.skip("this kernel is older than 6.3 and has no such restriction")


# --- the pool ---------------------------------------------------------------------------------------------------------


def test_job_beyond_the_queue_raises_overloaded_at_once() -> None:
    pool = HashingPool(threads=1, queue=1)
    hasher = Argon2Hasher(*CHEAP, pool=pool)
    running, gate = threading.Barrier(2), threading.Event()
    busy = pool.submit(lambda: (running.wait(10), gate.wait(10)))
    running.wait(10)
    waiting = pool.submit(lambda: "waited")
    for call in (
        lambda: hasher.hash(PASSWORD),
        lambda: hasher.verify(None, PASSWORD),
        lambda: hasher.verify("malformed", PASSWORD),
    ):
        with pytest.raises(Overloaded):
            call()
    assert not busy.done()
    gate.set()
    assert waiting.result() == "waited"
    pool.close()


@pytest.mark.parametrize(("workers", "threads"), [(1, 4), (2, 2), (3, 2), (4, 1), (9, 1)])
def test_the_workers_together_have_a_thread_per_core(workers: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vestibule.adapters.hasher.argon2id.cores", lambda: 4)
    assert hashing_threads(workers) == threads
    pool = pool_for(2, 19 * 1024, workers=workers)
    assert pool.capacity == threads + 4 * 16
    pool.close()


def test_finished_or_failed_job_frees_its_place() -> None:
    pool = HashingPool(threads=1, queue=0)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            pool.run(lambda: 1 // 0)
        assert pool.run(lambda: "done") == "done"
    pool.close()


def test_at_most_threads_jobs_run_at_once() -> None:
    pool = HashingPool(threads=2, queue=6)
    both = threading.Barrier(2)
    names = {future.result() for future in [pool.submit(lambda: (both.wait(10), threading.get_ident())[1]) for _ in range(8)]}
    pool.close()
    assert len(names) == 2


def test_closed_pool_finishes_accepted_jobs_and_is_unavailable() -> None:
    pool = HashingPool(threads=1, queue=1)
    hasher = Argon2Hasher(*CHEAP, pool=pool)
    taken = [pool.submit(hasher.needs_rehash, "") for _ in range(2)]
    hasher.close()
    assert [future.result() for future in taken] == [True, True]
    for _ in range(3):
        with pytest.raises(Unavailable):
            hasher.hash(PASSWORD)


@pytest.mark.parametrize(("threads", "queue"), [(0, 1), (-1, 1), (1, -1)])
def test_pool_without_threads_is_rejected(threads: int, queue: int) -> None:
    with pytest.raises(ValueError, match="at least one thread"):
        HashingPool(threads, queue)


def test_hashing_threads_have_a_lower_priority() -> None:
    pool = HashingPool(threads=1, queue=0)
    own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    hashing = pool.run(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
    pool.close()
    assert hashing == (min(own + 10, 19) if sys.platform == "linux" else own)
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == own
