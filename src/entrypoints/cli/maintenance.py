"""`vestibule purge` and `vestibule sweep-images`."""

import click

from .common import echo, stop, use_cases


@click.command()
@click.option("--yes", "clock_confirmed", is_flag=True, help="Purge although the last purge was more than two days ago.")
def purge(clock_confirmed: bool) -> None:
    """Delete expired data.

    The server does so every hour. Codes are kept for a day, sessions for 30 days after their end, failed messages for a week,
    and events of the audit log for 400 days. Keys are left to the servers and to `vestibule keys`. If the last purge was more
    than two days ago, the clock may be wrong, and the command deletes nothing without --yes.

    \b
    vestibule purge
    vestibule purge --yes
    """
    from ...application import ClockAhead

    with use_cases() as vestibule:
        try:
            echo(f"Deleted: {vestibule.purge(clock_confirmed=clock_confirmed)} rows.")
        except ClockAhead as refusal:
            stop(f"{refusal.detail} If the clock is right, use --yes.")


@click.command("sweep-images")
@click.option("--delete", is_flag=True, help="Delete the images. Without this option they are only counted.")
def sweep_images(delete: bool) -> None:
    """Count or delete images that belong to no account.

    A killed upload leaves such an image, and so does a replacement while the storage is down. Images of the last hour are
    ignored. Read the numbers before you use --delete: next to the wrong database no image belongs to an account.

    \b
    vestibule sweep-images
    vestibule sweep-images --delete
    """
    with use_cases() as vestibule:
        report = vestibule.sweep_images(delete=delete)
    echo(f"Images: {report.images}, {report.unreferenced} of them unreferenced. Deleted: {report.deleted}.")
    if report.unreferenced > report.deleted:
        is_suspicious = report.unreferenced == report.images
        echo(
            "No image belongs to an account: is this the right database?"
            if is_suspicious
            else "Delete them with `vestibule sweep-images --delete`."
        )
