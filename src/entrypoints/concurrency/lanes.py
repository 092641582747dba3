"""Which calls share threads when they are awaited: slow ones never take those of the quick."""

import os

from ..observability import Watch
from .batching import Grouped
from .executors import Block, Lane

_SLOW_THREADS_PER_CORE = 20
_MOST_SLOW = 400
_QUICK_THREADS = 8
_MOST_QUICK = 400
_READ_THREADS = 4
_MOST_READS = 400
MOST_UPLOADS = 24
"""How many files of 5 MiB may be in memory at once."""

_PICTURE_THREADS = MOST_UPLOADS + 8
_MOST_PICTURES = 400
_CHORE_THREADS = 4
_MOST_CHORES = 16


class Lanes:
    """`slow` for calls that hash a password, `pictures` for those that store or read one, `quick` for the rest, `reads` for
    those that change nothing, and so wait for nobody who does; `chores` for what may take minutes and nobody waits for.

    The hasher takes a thread and a queue of 16 for each core; the slow lane has room for them all, so that the hasher,
    which knows how long its queue takes, is the one to say that it is too long. As many pictures as may be in memory wait for
    a decoder or for S3, and leave threads to those who read.
    """

    def __init__(self, watch: Watch, *, together: Block | None = None) -> None:
        """Quick calls wait for nothing but a database that is near, where there is a block that has it commit `together`."""
        self.slow = watch.lane("slow", Lane(_SLOW_THREADS_PER_CORE * (os.cpu_count() or 1), _MOST_SLOW))
        self.quick = watch.lane("quick", Grouped(together) if together else Lane(_QUICK_THREADS, _MOST_QUICK))
        self.reads = watch.lane("reads", Lane(_READ_THREADS, _MOST_READS))
        self.pictures = watch.lane("pictures", Lane(_PICTURE_THREADS, _MOST_PICTURES))
        self.chores = watch.lane("chores", Lane(_CHORE_THREADS, _MOST_CHORES))
