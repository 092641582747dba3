"""The group of all commands."""

import click

from .accounts import accounts
from .audit_log import audit_log
from .common import CommandGroup
from .database import backup, copy, end_sessions, migrate, restore
from .deliver import deliver
from .doctor import doctor
from .importing import import_accounts
from .invitations import invitations, invite
from .keys import keys
from .maintenance import purge, sweep_images
from .outbox import outbox
from .rekeying import rekey
from .serve import serve
from .settings import hash_calibrate, list_settings
from .summary import summary
from .superuser import create_superuser
from .timing import timing
from .to_django import export_to_django


@click.group(
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with `vestibule serve`, then open http://127.0.0.1:8000/docs.",
)
@click.version_option(package_name="vestibule-accounts", message="%(prog)s %(version)s")
def vestibule() -> None:
    """Vestibule manages user accounts: registration, login, one-time codes, password reset, sessions.

    All settings are environment variables; `vestibule settings` lists them.
    """


for _command in (
    *(serve, deliver, migrate, copy, backup, restore, end_sessions, create_superuser, accounts, summary),
    *(invite, invitations, import_accounts, export_to_django),
    *(audit_log, outbox, keys, purge, sweep_images, list_settings, hash_calibrate, doctor, timing),
):
    vestibule.add_command(_command)
accounts.add_command(rekey)
