"""`vestibule deliver`: the courier as a process of its own."""

import signal
from contextlib import ExitStack
from threading import Event
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from types import FrameType

    from ..facade import Vestibule

PAUSE = 1.0
"""Nobody wakes this process: somebody waits for the code that a server has just put into the outbox."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
GRACE_SECONDS = 25.0
"""What the mail at hand may still take: twenty seconds at most, and finding its server."""


@click.command()
@click.option("--once", is_flag=True, help="Deliver what is due now, and end.")
def deliver(once: bool) -> None:
    """Deliver mail, SMS and webhooks until Ctrl-C or SIGTERM.

    As many of these as you like may run at once, beside servers too: what one of them has at hand no other takes. With
    VESTIBULE_COURIER=off the servers leave all messages to these.
    """
    told = _told_to_stop()

    from . import _await_port, _prepare, _settings, _stop, _way

    settings = _settings()
    _prepare(settings)
    if settings.metrics_port is not None and not once:
        _await_port("METRICS_PORT", settings.metrics_host, settings.metrics_port)

    from ...application import Unavailable
    from ..container import build

    for_people = settings.log_format == "text"
    if for_people:
        click.echo(f"Mail goes to  {_way(settings, settings.email_url)}")
        click.echo(f"SMS go to     {_way(settings, settings.sms_url)}")
        if settings.webhook_url is not None:
            click.echo(f"Events go to  {_way(settings, settings.webhook_url)}")
    with ExitStack() as stack:
        if settings.traces:
            from ..observability.tracing import traced

            stack.enter_context(traced())
        vestibule = stack.enter_context(build(settings, deliver=False, echo=click.echo if for_people else None))
        if not once:
            if settings.metrics_port is not None:
                from ..observability.prometheus import exposed

                stack.enter_context(exposed(settings))
            _go_on(vestibule, told)
            return
        try:
            _once(vestibule, told)
        except Unavailable:
            _stop("the database cannot be had now.")


def _told_to_stop() -> Event:
    """Set by the first signal; a second one ends the process at once."""
    told = Event()

    def tell(_: int, __: "FrameType | None") -> None:
        told.set()
        for one in _SIGNALS:
            signal.signal(one, signal.SIG_DFL)

    for one in _SIGNALS:
        signal.signal(one, tell)
    return told


def _go_on(vestibule: "Vestibule", told: Event) -> None:
    from ..workers.delivery import CourierThread

    courier = CourierThread(PAUSE)
    courier.start(vestibule.deliver_messages, None)
    told.wait()
    courier.stop(GRACE_SECONDS)


def _once(vestibule: "Vestibule", told: Event) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from ..workers.delivery import carry

    deliver = vestibule.deliver_messages
    with ThreadPoolExecutor(len(deliver.channels)) as threads:
        for carrying in [threads.submit(carry, deliver, kind, told.is_set) for kind in deliver.channels]:
            carrying.result()
