"""Carrying messages out of the outbox into the world."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..domain.account import Kind
from .ports import Clock, Codes, Database, DeliveryFailed, Letter, Message, Notifier, Transaction, Undeliverable

LEASE_SECONDS = 60.0
LEASE_USED = LEASE_SECONDS / 2
MOST_AT_ONCE = 10
MOST_ATTEMPTS = 6
FIRST_PAUSE = 5.0
LONGEST_PAUSE = 600.0

NOBODY = {Kind.EMAIL: "nobody@localhost.localdomain", Kind.MOBILE: "0000000000"}
"""Who stands on a letter that is only pretended."""

_log = logging.getLogger("vestibule.courier")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverMessages:
    """Sends what is due, and answers how many messages it took up.

    At least once each: a courier that dies leaves its messages to the next one when the lease ends. A failure is tried again
    after 5 s, 10 s, 20 s … at most 10 min, six times at most, and never after the code's end. A bad message stops no other.
    A decoy goes the way of the others up to the last step.
    """

    database: Database
    notifier: Notifier
    codes: Codes
    clock: Clock
    service: str = "Vestibule"

    def __call__(self, kind: Kind | None = None, *, is_over: Callable[[], bool] = lambda: False) -> int:
        """Of one kind alone, where each has a courier of its own, so that none waits for the other's server.

        `is_over` is asked before each message. Once it says so, or a slow server has used up half of the lease, what is left is
        due again for whoever is free.
        """
        begun = self.clock()
        with self.database.begin() as tx:
            messages = tx.outbox.lease(begun, seconds=LEASE_SECONDS, most=MOST_AT_ONCE, kind=kind)
        for position, message in enumerate(messages):
            if is_over() or self.clock() - begun >= LEASE_USED:
                self._put_back(messages[position:])
                break
            self._deliver(message)
        return len(messages)

    def _put_back(self, messages: Sequence[Message]) -> None:
        with self.database.begin() as tx:
            for message in messages:
                tx.outbox.put_back(message.id)

    def _deliver(self, message: Message) -> None:
        failure: Exception | None = None
        with self.database.begin() as tx:
            wanted = is_wanted(tx, message, self.clock())
        if wanted:
            try:
                carry = self.notifier.send if message.sent_to is not None else self.notifier.pretend
                carry(self._letter(message))
            except Exception as error:  # noqa: BLE001 — whatever it is, it must not stop the other messages
                failure = error
        self._conclude(message, failure)

    def _letter(self, message: Message) -> Letter:
        values = {**message.values, "service": self.service}
        if message.challenge is not None:
            values["code"] = self.codes.code(*message.challenge)
        sent_to = message.sent_to or NOBODY[message.kind]
        return Letter(id=message.id, kind=message.kind, sent_to=sent_to, template=message.template, values=values)

    def _conclude(self, message: Message, failure: Exception | None) -> None:
        pause = min(FIRST_PAUSE * 2**message.attempts, LONGEST_PAUSE)
        again = self.clock() + pause
        with self.database.begin() as tx:
            if failure is None:
                tx.outbox.done(message.id)
            elif isinstance(failure, Undeliverable) or message.attempts + 1 >= MOST_ATTEMPTS or again >= message.expires_at:
                _log.warning("message %s is given up: %s", message.id, _told(failure))
                tx.outbox.dead(message.id, _told(failure))
            else:
                _log.warning("message %s failed, again in %.0f s: %s", message.id, pause, _told(failure))
                tx.outbox.later(message.id, again)


def is_wanted(tx: Transaction, message: Message, now: float) -> bool:
    """Not for a code that has been replaced, used or outlived."""
    return now < message.expires_at and (message.challenge is None or tx.challenges.is_current(message.challenge[0], now))


def _told(failure: Exception) -> str:
    """What may be logged: the text of what a notifier says itself, but the kind alone of what it stumbled over."""
    kind = type(failure).__name__
    return f"{kind}: {failure}" if isinstance(failure, Undeliverable | DeliveryFailed) else kind
