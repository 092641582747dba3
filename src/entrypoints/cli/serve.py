"""`vestibule serve`: the server."""

import os
import signal
from typing import TYPE_CHECKING

import click

from .common import check_settings_or_stop, echo, load_settings, print_destinations, wait_for_port, without_secrets

if TYPE_CHECKING:
    from ..settings import Settings


@click.command()
@click.option("--host", help="The address to listen on [VESTIBULE_HOST].")
@click.option("--port", type=click.IntRange(1, 65_535), help="The port to listen on [VESTIBULE_PORT].")
@click.option("--workers", type=click.IntRange(1, 64), help="The number of server processes [VESTIBULE_WORKERS].")
@click.option("--data-dir", type=click.Path(file_okay=False), help="The directory of all data [VESTIBULE_DATA_DIR].")
@click.option("--migrate", is_flag=True, help="Migrate a PostgreSQL database first.")
def serve(*, migrate: bool, **options: object) -> None:
    """Start the server.

    The settings are VESTIBULE_ variables (`vestibule settings` lists them); the options here override a few of them. None is
    required: by default accounts are stored in SQLite under ./data, and mail and SMS are written to files there and shown here.

    \b
    vestibule serve --port 8080 --data-dir /var/lib/vestibule
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a KeyboardInterrupt during imports may be lost
    for name, value in options.items():
        if value is not None:
            os.environ[f"VESTIBULE_{name.upper()}"] = str(value)
    settings = load_settings()
    if migrate:
        check_settings_or_stop(settings, migrate=True)
    check_settings_or_stop(settings)

    wait_for_port("PORT", settings.host, settings.port)
    if settings.metrics_port is not None:
        wait_for_port("METRICS_PORT", settings.metrics_host, settings.metrics_port)
    from ..server import serve as run_server

    if settings.log_format == "text":
        _greet(settings)
    run_server(settings)


def _greet(settings: "Settings") -> None:
    echo(f"Vestibule listens on  {settings.url}{settings.api_prefix}/")
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
