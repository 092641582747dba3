"""Lanes: which awaited calls share threads, so that slow calls never take the threads of quick ones."""

import os

from ..observability import Instrumentation
from .batching import BatchingExecutor
from .executors import Executor, FairLane, GroupCommit, InlineExecutor, ThreadLane

HASHING_THREADS = 20 * (os.cpu_count() or 1)
_WRITE_THREADS = 8
_READ_THREADS = 4
MAX_UPLOADS = 24
"""How many files of 5 MiB may be in memory at once."""

_IMAGE_THREADS = MAX_UPLOADS + 8
_BACKGROUND_THREADS = 4
_MAX_CALLS = 400
_MAX_BACKGROUND_CALLS = 16


class Lanes:
    """`hashing` for calls that hash a password, `images` for calls that store or read an image, `writes` for other changes,
    `reads` for calls that change nothing and so never wait for a writer, `background` for calls that may take minutes.

    The hasher has at most a thread and a queue of 16 for each core. The hashing lane is larger than that queue, whose limit
    matches the hasher's speed, so that the hasher raises `Overloaded` first. As many images as may be in memory wait for a
    decoder or for S3, and leave 8 threads to calls that read one. `point_reads` find rows by their key, and
    `limited_point_reads` count the call in a rate limit and ask the admission first. Both run in the event loop itself if they
    wait for no other machine, else in `reads`.
    """

    def __init__(
        self,
        instrumentation: Instrumentation,
        *,
        group_commit: GroupCommit | None = None,
        database_may_block: bool = False,
        limiter_may_block: bool = False,
        hashing_share: int | None = None,
    ) -> None:
        """With a group commit writes are batched: the database is local then, and the only thing that a write waits for.

        One network has at most `hashing_share` calls in the hashing lane at once; None does not limit them.
        """
        writes = BatchingExecutor(group_commit) if group_commit else ThreadLane(_WRITE_THREADS, _MAX_CALLS)
        hashing = ThreadLane(HASHING_THREADS, _MAX_CALLS)
        fair = hashing if hashing_share is None else FairLane(hashing, hashing_share)
        self.hashing = instrumentation.lane("hashing", fair)
        self.writes = instrumentation.lane("writes", writes)
        self.reads = instrumentation.lane("reads", ThreadLane(_READ_THREADS, _MAX_CALLS))
        self.images = instrumentation.lane("images", ThreadLane(_IMAGE_THREADS, _MAX_CALLS))
        self.background = instrumentation.lane("background", ThreadLane(_BACKGROUND_THREADS, _MAX_BACKGROUND_CALLS))
        self.point_reads: Executor = self.reads if database_may_block else InlineExecutor()
        self.limited_point_reads = self.reads if limiter_may_block else self.point_reads
