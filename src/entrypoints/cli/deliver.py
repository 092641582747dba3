"""`vestibule deliver`: delivery workers in a process of their own."""

import signal
from contextlib import ExitStack
from threading import Event
from typing import TYPE_CHECKING

import click

from .common import check_ports_or_stop, check_settings_or_stop, echo, load_settings, print_destinations, stop

if TYPE_CHECKING:
    from types import FrameType

    from ..facade import Vestibule

PAUSE = 1.0
"""Seconds between two looks into the outbox. No server notifies this process, and users wait for their codes."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
SHUTDOWN_TIMEOUT = 25.0
"""The time to finish the current mail: at most twenty seconds, and the time to connect to the mail server."""


@click.command()
@click.option("--once", is_flag=True, help="Deliver the messages that are due now, and end.")
def deliver(once: bool) -> None:
    """Deliver mail, SMS and webhooks until Ctrl-C or SIGTERM.

    Any number of these processes may run at once, and next to servers too: each message is leased to one of them. With
    VESTIBULE_DELIVERY=off the servers leave all messages to these processes.

    \b
    vestibule deliver
    vestibule deliver --once
    """
    stopping = _on_stop_signal()
    settings = load_settings()
    check_settings_or_stop(settings)
    if not once:
        check_ports_or_stop(settings, metrics_only=True)

    from ...application import Unavailable
    from ..container import build
    from ..inspection import forbid_inspection

    forbid_inspection()
    is_text = settings.log_format == "text"
    if is_text:
        print_destinations(settings, width=14)
    with ExitStack() as stack:
        if settings.traces:
            from ..observability.tracing import tracing_enabled

            stack.enter_context(tracing_enabled())
        vestibule = stack.enter_context(build(settings, run_workers=False, echo=echo if is_text else None))
        if not once:
            if settings.metrics_port is not None:
                from ..observability.prometheus import metrics_served

                stack.enter_context(metrics_served(settings))
            _deliver_until(stopping, vestibule)
            return
        try:
            _deliver_once(stopping, vestibule)
        except Unavailable:
            stop("the database is unavailable.")


def _on_stop_signal() -> Event:
    """Returns an event that the first signal sets; a second signal ends the process at once."""
    stopping = Event()

    def handle(_: int, __: "FrameType | None") -> None:
        stopping.set()
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)

    for number in _SIGNALS:
        signal.signal(number, handle)
    return stopping


def _deliver_until(stopping: Event, vestibule: "Vestibule") -> None:
    from ..workers.delivery import DeliveryWorkers

    workers = DeliveryWorkers(PAUSE)
    workers.start(vestibule.deliver_messages, None)
    stopping.wait()
    workers.stop(SHUTDOWN_TIMEOUT)


def _deliver_once(stopping: Event, vestibule: "Vestibule") -> None:
    from concurrent.futures import ThreadPoolExecutor

    from ..workers.delivery import deliver_all

    deliver = vestibule.deliver_messages
    with ThreadPoolExecutor(len(deliver.channels)) as threads:
        for delivering in [threads.submit(deliver_all, deliver, channel, stopping.is_set) for channel in deliver.channels]:
            delivering.result()
