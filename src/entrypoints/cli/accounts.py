"""`vestibule create-superuser`, `activate` and `deactivate`."""

import sys
from typing import TYPE_CHECKING

import click

from .common import DashArgumentCommand, echo, use_cases

if TYPE_CHECKING:
    from typing import TextIO


@click.command("create-superuser")
@click.option("--username", prompt=True)
@click.option("--email", prompt=True)
@click.option("--name", prompt="Full name")
@click.option("--password-file", type=click.File(), help="A file with the password; - is standard input.")
def create_superuser(username: str, email: str, name: str, password_file: "TextIO | None") -> None:
    """Create an account with all permissions. The command prompts for missing values.

    \b
    vestibule create-superuser --username ada --email ada@example.com --name "Ada Lovelace"
    """
    password = (
        password_file.read().rstrip("\r\n")
        if password_file is not None
        else click.prompt("Password", hide_input=True, confirmation_prompt=True)
    )
    from ...application import InvalidInput

    with use_cases() as vestibule:
        try:
            account = vestibule.create_superuser(username=username, name=name, email=email, password=password)
        except InvalidInput as refusal:
            for field, messages in refusal.errors.items():
                echo(f"{field}: {' '.join(messages)}", err=True)
            sys.exit(1)
    echo(f"Created the superuser {account.username.text}, account {account.id}.")


@click.command(cls=DashArgumentCommand)
@click.argument("identifier")
def deactivate(identifier: str) -> None:
    """Deactivate the account with this username, email or mobile.

    All sessions and open codes of the account are revoked. Its owner cannot log in until it is activated again.

    \b
    vestibule deactivate ada@example.com
    """
    _set_active(identifier, active=False)


@click.command(cls=DashArgumentCommand)
@click.argument("identifier")
def activate(identifier: str) -> None:
    """Activate a deactivated account, by its username, email or mobile.

    \b
    vestibule activate ada@example.com
    """
    _set_active(identifier, active=True)


def _set_active(identifier: str, *, active: bool) -> None:
    with use_cases() as vestibule:
        account = vestibule.set_active(identifier=identifier, active=active)
    echo(f"Account {account.id}, {account.username.text}, is {'active' if active else 'deactivated'}.")
