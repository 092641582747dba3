"""The use cases as coroutine functions, each in its lane, so that no event loop waits for a database or a hash."""

from .concurrency.lanes import Lanes
from .facade import USE_CASES, UseCases, Vestibule
from .observability import instrumentation_for


class AsyncVestibule(UseCases):
    """A `Vestibule` whose calls are awaited: the same names, parameters, results and refusals, and `Overloaded` under load.

    Several event loops may use it, one after another or at once. A call that is cancelled while it runs is finished in its
    thread.
    """

    def __init__(self, vestibule: Vestibule) -> None:
        lanes = Lanes(
            instrumentation_for(vestibule.settings),
            group_commit=vestibule.group_commit,
            database_may_block=vestibule.database_may_block,
            limiter_may_block=vestibule.rate_limiter.may_block or vestibule.admission.may_block,
            hashing_share=vestibule.hashing_share,
        )
        self.blocking = vestibule
        """The same use cases, for threads."""
        self.settings = vestibule.settings
        self.subscribe = vestibule.subscribe  # returns at once: the handler has a thread of its own
        self.jwks = lanes.point_reads.wrap(vestibule.jwks)
        self.check = lanes.reads.wrap(vestibule.check)
        vars(vestibule)["awaited"].add(self)
        vars(self).update({name: use_case.awaited(vestibule, lanes) for name, use_case in USE_CASES.items()})
