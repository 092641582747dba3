"""`vestibule serve`: the server."""

import gc
import logging
import os
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING

import click

from .common import (
    broken_pipe_ignored,
    check_ports_or_stop,
    check_settings_or_stop,
    destinations,
    echo,
    load_settings,
    print_destinations,
    without_secrets,
)

if TYPE_CHECKING:
    from ..settings import Settings

_log = logging.getLogger("vestibule.server")


@click.command()
@click.option("--host", help="The address to listen on [VESTIBULE_HOST].")
@click.option("--port", type=click.IntRange(1, 65_535), help="The port to listen on [VESTIBULE_PORT].")
@click.option("--workers", type=click.IntRange(1, 64), help="The number of server processes [VESTIBULE_WORKERS].")
@click.option("--data-dir", type=click.Path(file_okay=False), help="The directory of all data [VESTIBULE_DATA_DIR].")
@click.option(
    "--dev", is_flag=True, default=None, help="Development mode, for this machine alone: no limits, and a page with all codes."
)
@click.option("--migrate", is_flag=True, help="Migrate a PostgreSQL database first.")
def serve(*, migrate: bool, **options: object) -> None:
    """Start the server.

    The settings are VESTIBULE_ variables (`vestibule settings` lists them); the options here override a few of them. None is
    required: by default accounts are stored in SQLite under ./data, and mail and SMS are written to files there and shown here.

    \b
    vestibule serve --port 8080 --data-dir /var/lib/vestibule
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a KeyboardInterrupt during imports may be lost
    gc.disable()  # imports leave no garbage, and each collection reads all that they have made
    for name, value in options.items():
        if value is not None:
            os.environ[f"VESTIBULE_{name.upper()}"] = str(value)
            os.environ.pop(f"VESTIBULE_{name.upper()}_FILE", None)
    if sys.stderr.isatty():
        log_calls_by_default()
    settings = load_settings()
    from ..observability.log_format import records_after

    with records_after(partial(_announce, settings)):
        if migrate:
            check_settings_or_stop(settings, migrate=True)
        check_settings_or_stop(settings)
        check_ports_or_stop(settings)
        from ..server import serve as run_server
    gc.freeze()  # collections in the workers do not copy the pages that they share with this process
    gc.enable()
    run_server(settings)


def _announce(settings: "Settings") -> None:
    """Says where the server listens and what it uses, before any warning: to people, and in one record of the log."""
    from importlib.metadata import version

    if settings.log_format == "text":
        with broken_pipe_ignored(OSError):
            _greet(settings)
    fields = {
        "version": version("vestibule-accounts"),
        "url": f"{settings.url}{settings.api_prefix}/",
        "address": f"[{settings.host}]:{settings.port}" if ":" in settings.host else f"{settings.host}:{settings.port}",
        "workers": settings.workers,
        "database": settings.resolved_database_url.partition(":")[0],
        "accounts": without_secrets(settings.resolved_database_url),
        **destinations(settings),
        "delivery": "here" if settings.delivery else "elsewhere",
        "images": settings.images_url,
    }
    _log.info("listening", extra={"fields": fields})


def log_calls_by_default() -> None:
    """Turns the access log on for the workers too, unless the operator has decided about it."""
    if not {"VESTIBULE_ACCESS_LOG", "VESTIBULE_ACCESS_LOG_FILE"}.intersection(os.environ):
        os.environ["VESTIBULE_ACCESS_LOG"] = "on"


def _greet(settings: "Settings") -> None:
    echo(f"Vestibule listens on  {settings.url}{settings.api_prefix}/")
    if settings.dev:
        echo("DEVELOPMENT MODE      not for the Internet: no limits, and a page that shows every code")
        echo(f"Mails and codes are   {settings.url}{settings.api_prefix}/dev/outbox")
    if settings.has_docs:
        echo(f"Try it on             {settings.url}{settings.api_prefix}/docs")
    echo(f"Accounts are kept in  {without_secrets(settings.resolved_database_url)}")
    echo(f"Everything else in    {settings.data_dir.absolute()}/")
    if settings.images_url != "file:":
        echo(f"Images are kept in    {settings.images_url}")
    if settings.delivery:
        print_destinations(settings, width=22)
    else:
        echo("Mail and SMS wait for vestibule deliver")
    if settings.rate_limits and settings.redis_url is not None:
        echo(f"Limits are counted in {without_secrets(settings.redis_url)}")
    if settings.metrics_port is not None:
        echo(f"Metrics are at        http://{settings.metrics_host}:{settings.metrics_port}/metrics")
    echo("Stop it with Ctrl-C.")
