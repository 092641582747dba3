"""`vestibule create-superuser`, `activate`, `deactivate`, and the group `accounts`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from .common import CommandGroup, DashArgumentCommand, echo, use_cases

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
    with use_cases() as vestibule, _invalid_fields_shown():
        account = vestibule.create_superuser(username=username, name=name, email=email, password=password)
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


@click.group(cls=CommandGroup)
def accounts() -> None:
    """Mend the addresses of accounts."""


@accounts.command(cls=DashArgumentCommand)
@click.argument("address")
def release(address: str) -> None:
    """Free an unverified email or mobile: it leaves the account that has it.

    The owner of that account is notified at its verified address. A verified address cannot be freed; `set-address` replaces
    one.

    \b
    vestibule accounts release ada@example.com
    """
    with use_cases() as vestibule, _invalid_fields_shown():
        account = vestibule.release_address(address=address)
    echo(f"Account {account.id}, {account.username.text}, has that address no longer.")


@accounts.command("set-address", cls=DashArgumentCommand)
@click.argument("identifier")
@click.argument("address")
def set_address(identifier: str, address: str) -> None:
    """Give the account with this username, email or mobile another verified email or mobile.

    For an owner who has lost the present one and has shown who they are. Codes to the address then open the account. The
    address that it replaces is notified, and does not open the account any more.

    \b
    vestibule accounts set-address ada ada@example.org
    """
    with use_cases() as vestibule, _invalid_fields_shown():
        account = vestibule.set_address(identifier=identifier, address=address)
    echo(f"Account {account.id}, {account.username.text}, has that address, verified.")


@contextmanager
def _invalid_fields_shown() -> Iterator[None]:
    """Prints a line for each invalid field and exits with 1."""
    from ...application import ErrorCode, InvalidInput

    try:
        yield
    except InvalidInput as refusal:
        for field, messages in refusal.errors.items():
            echo(f"{field}: {' '.join(messages)}", err=True)
        if any(ErrorCode.TEST_DOMAIN in codes for codes in refusal.codes.values()):
            echo("VESTIBULE_TEST_DOMAINS=on accepts such domains, for development.", err=True)
        sys.exit(1)
