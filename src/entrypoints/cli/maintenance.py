"""`vestibule purge` and `vestibule sweep-images`."""

import click

from .common import echo, use_cases


@click.command()
def purge() -> None:
    """Delete expired data.

    The server does so every hour. Codes are kept for a day, sessions for 30 days after their end, failed messages for a week,
    and events of the audit log for 400 days.

    \b
    vestibule purge
    """
    with use_cases() as vestibule:
        echo(f"Deleted: {vestibule.purge()} rows.")


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
