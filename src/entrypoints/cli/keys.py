"""`vestibule keys`: lists, creates, rotates, revokes, prunes and re-encrypts keys."""

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from .common import CommandGroup, DashArgumentCommand, echo, errors_in_one_line, load_settings, operator, stop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..container.maintenance import Keys
    from ..settings import Settings

KINDS = ("signing", "codes", "refresh")

_AT_ONCE = {
    "signing": "Other services refuse tokens that it signs until they have fetched the public keys again, within the hour.",
    "codes": "Codes that another server sends in the next seconds may be refused.",
    "refresh": "Refresh tokens that another server reads in the next seconds may be refused.",
}
_REVOKED = {
    "signing": "Its access tokens are refused within seconds; by other services, once they have fetched the keys again.",
    "codes": "Codes that were sent with it are refused.",
    "refresh": "Users with a refresh token of it have to log in again, when their access token expires.",
    "digests": "Rate-limit counts by address and proofs of addresses are lost.",
}


@click.group(cls=CommandGroup)
def keys() -> None:
    """List and rotate the keys, and revoke a leaked one.

    Running servers reload the keys within seconds; no restart is needed.
    """


@keys.command("list")
def list_keys() -> None:
    """List every key with its state, the key ids of the published ones, and the keys that come by themselves.

    \b
    vestibule keys list
    """
    with _key_manager() as (_, manager):
        for key in manager.list_keys():
            echo(f"{key.name:<12} {key.description:<66} {key.algorithm or '':<6}{key.kid or ''}".rstrip())
        for following in manager.next_keys():
            echo(f"{f'next {following.kind}':<12} {following.description}")
        if not manager.next_keys():
            echo("No key is rotated by itself.")


@keys.command()
def create() -> None:
    """Make new keys where all of them are lost, and end all sessions.

    A start refuses to make keys for a database that has accounts, because everybody would be logged out. Restore the keys from
    a backup if there is one.

    \b
    vestibule keys create
    """
    from ..container.maintenance import create_keys

    with _settings() as settings:
        ended = create_keys(settings, actor=operator().actor)
        _record(settings, "created")
        echo(f"There are new keys. {ended} sessions have ended; users have to log in again.")


@keys.command()
@click.option("--kind", type=click.Choice([*KINDS, "all"]), default="signing", show_default=True, help="Which kind of key.")
@click.option("--now", is_flag=True, help="Use the new key, or the pending one, at once: for an emergency.")
@click.pass_context
def rotate(context: click.Context, kind: str, now: bool) -> None:
    """Add the next key.

    A signing key is published for a day before it signs, so that other services know it by then; a secret for codes or
    refresh tokens is used after a minute. The previous key still verifies the values it made.

    \b
    vestibule keys rotate
    vestibule keys rotate --kind all --now
    """
    is_refused = False
    with _key_manager() as (settings, manager):
        for rotated in KINDS if kind == "all" else (kind,):
            try:
                key = manager.rotate(rotated, at_once=now)
            except ValueError as refusal:
                echo(f"vestibule: {refusal}", err=True)
                is_refused = True
                continue
            _record(settings, f"rotated {key.name}")
            echo(f"{key.name}: {key.description}.")
            if now:
                echo(_AT_ONCE[rotated])
    if is_refused:
        context.exit(2)


@keys.command(cls=DashArgumentCommand)
@click.argument("key")
def revoke(key: str) -> None:
    """Remove a leaked KEY at once: its name or its key id, as `vestibule keys list` shows them.

    Nothing that it made is accepted any more. If it was active, the pending key replaces it, or a new one.

    \b
    vestibule keys revoke signing-3
    """
    with _key_manager() as (settings, manager):
        revoked, successor = manager.revoke(key)
        _record(settings, f"revoked {revoked.name}")
        echo(f"{revoked.name} is revoked. {_REVOKED[revoked.kind]}")
        if successor is not None:
            echo(f"{successor.name}: {successor.description}. {_AT_ONCE.get(revoked.kind, '')}".rstrip())


@keys.command()
def prune() -> None:
    """Remove the expired keys.

    \b
    vestibule keys prune
    """
    with _key_manager() as (settings, manager):
        expired = manager.prune()
        for key in expired:
            _record(settings, f"pruned {key.name}")
            echo(f"{key.name} is removed.")
        if not expired:
            echo("No key has expired.")


@keys.command()
def reencrypt() -> None:
    """Encrypt the keys with the first of the secrets in VESTIBULE_SECRET.

    To change the secret: give every server the new one and, after a comma, the old one; run this once; then remove the old
    one. No token or code becomes invalid.

    \b
    vestibule keys reencrypt
    """
    from ..container.maintenance import reencrypt_keys

    with _settings() as settings:
        if reencrypt_keys(settings):
            _record(settings, "reencrypted")
            echo("The keys are now encrypted with the first secret.")
        else:
            echo("The keys were encrypted with the first secret already.")


@contextmanager
def _settings() -> "Iterator[Settings]":
    """Exits with one line if the settings or the keys are invalid."""
    from ...application import Unavailable

    settings = load_settings()
    try:
        with errors_in_one_line():
            yield settings
    except Unavailable:
        stop("VESTIBULE_DATABASE_URL: the database is unavailable; no key was changed.")


@contextmanager
def _key_manager() -> "Iterator[tuple[Settings, Keys]]":
    from ..container.maintenance import key_manager

    with _settings() as settings, key_manager(settings) as manager:
        yield settings, manager


def _record(settings: "Settings", detail: str) -> None:
    """Writes to the audit log. A failure is only printed: an emergency must not wait for a database that is down."""
    from ..container.maintenance import record_key_change

    try:
        record_key_change(settings, detail, actor=operator().actor)
    except ValueError as error:
        echo(f"vestibule: not in the audit log: {error}", err=True)
