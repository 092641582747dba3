"""`vestibule create-superuser`."""

from typing import TYPE_CHECKING

import click

from .common import echo, operator, use_cases

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
    with use_cases() as vestibule:
        account = vestibule.create_superuser(username=username, name=name, email=email, password=password, operator=operator())
    echo(f"Created the superuser {account.username.text}, account {account.id}.")
