"""`vestibule keys`: what is there, a new one, a leaked one, what is over."""

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from .common import load_settings, stop
from .dash_arguments import DashArgumentCommand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..settings import Settings

KINDS = ("signing", "codes", "refresh")

_AT_ONCE = {
    "signing": "Other services refuse what it signs until they have asked for the public keys again, within the hour.",
    "codes": "Codes that another server sends in the next seconds may not be right.",
    "refresh": "Refresh tokens that another server reads in the next seconds may be refused.",
}
_REVOKED = {
    "signing": "Its access tokens are refused within seconds; by other services, once they have asked for the keys again.",
    "codes": "Codes under way are not right any more.",
    "refresh": "Who has a refresh token of it has to log in again, when the access token ends.",
    "blinding": "Counted guesses and proofs of addresses are forgotten.",
}


@click.group()
def keys() -> None:
    """Look at the keys, rotate them, take a leaked one away.

    Running servers take up within seconds what is changed here; nothing has to be restarted.
    """


@keys.command("list")
def list_keys() -> None:
    """List every key, what it does now, and the key ids of those that are published."""
    from ..container.maintenance import key_keeper

    with _settings() as settings, key_keeper(settings) as keeper:
        for key in keeper.held():
            click.echo(f"{key.name:<12} {key.said:<54} {key.kid or ''}".rstrip())


@keys.command()
@click.option("--kind", type=click.Choice([*KINDS, "all"]), default="signing", show_default=True, help="Which kind of key.")
@click.option("--now", is_flag=True, help="Use the new key at once, or the one that waits: for an emergency.")
@click.pass_context
def rotate(context: click.Context, kind: str, now: bool) -> None:
    """Make the next key.

    A signing key is published for a day before it signs, so that other services know it by then; a secret for codes or
    refresh tokens is used after a minute. The key before it goes on verifying what it made.
    """
    stayed = [one for one in (KINDS if kind == "all" else (kind,)) if not _rotated(one, at_once=now)]
    if stayed:
        context.exit(2)


def _rotated(kind: str, *, at_once: bool) -> bool:
    """Whether there is a next key of that kind; if not, it is said why."""
    from ..container.maintenance import key_keeper

    with _settings() as settings:
        try:
            with key_keeper(settings) as keeper:
                key = keeper.rotate(kind, at_once=at_once)
        except ValueError as refusal:
            click.echo(f"vestibule: {refusal}", err=True)
            return False
        _tell(settings, f"rotated {key.name}")
        click.echo(f"{key.name}: {key.said}.")
        if at_once:
            click.echo(_AT_ONCE[kind])
    return True


@keys.command(cls=DashArgumentCommand)
@click.argument("key")
def revoke(key: str) -> None:
    """Take a leaked KEY away at once: its name or its key id, as `vestibule keys list` shows them.

    Nothing that it made is accepted any more. Where it was in use, the one that waits takes its place, else a new one.
    """
    from ..container.maintenance import key_keeper

    with _settings() as settings, key_keeper(settings) as keeper:
        gone, successor = keeper.revoke(key)
        _tell(settings, f"revoked {gone.name}")
        click.echo(f"{gone.name} is gone. {_REVOKED[gone.kind]}")
        if successor is not None:
            click.echo(f"{successor.name}: {successor.said}. {_AT_ONCE.get(gone.kind, '')}".rstrip())


@keys.command()
def prune() -> None:
    """Take away the keys that verify nothing any more."""
    from ..container.maintenance import key_keeper

    with _settings() as settings, key_keeper(settings) as keeper:
        over = keeper.prune()
        for key in over:
            _tell(settings, f"pruned {key.name}")
            click.echo(f"{key.name} is gone.")
        if not over:
            click.echo("There is nothing to take away.")


@keys.command()
def reseal() -> None:
    """Seal all keys under the first of the secrets in VESTIBULE_SECRET.

    To change the secret: give every server the new one and, after a comma, the old; then run this once; then take the old
    one away. Nothing else changes, and nobody notices.
    """
    from ..container.maintenance import reseal_keys

    with _settings() as settings:
        count = reseal_keys(settings)
        if count:
            _tell(settings, f"resealed {count}")
        click.echo(f"Keys sealed anew: {count}. All are under the first secret now.")


@contextmanager
def _settings() -> "Iterator[Settings]":
    """What is wrong with the settings or the keys ends the command with one line."""
    from ...application import Unavailable

    settings = load_settings()
    os.umask(0o077)
    try:
        yield settings
    except (ValueError, OSError) as fault:
        stop(str(fault))
    except Unavailable:
        stop("VESTIBULE_DATABASE_URL: it cannot be used now; nothing was changed.")


def _tell(settings: "Settings", note: str) -> None:
    """To the journal; an emergency does not wait for a database that is down."""
    from ..container.maintenance import journal_keys

    try:
        journal_keys(settings, note)
    except ValueError as fault:
        click.echo(f"vestibule: not in the journal: {fault}", err=True)
