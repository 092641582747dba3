"""Protection of a process from other processes of the same user."""

import ctypes
import logging
import sys

_PR_SET_DUMPABLE = 4
_log = logging.getLogger("vestibule.server")


def forbid_inspection() -> None:
    """Lets no other process of the same user read the memory and environment of this one, or attach to it as a debugger.

    Both hold keys, passwords and codes, which a decoder of images that an attacker has taken over could read otherwise. Only
    root (`CAP_SYS_PTRACE`) still can. No core dump is written. Forks inherit the protection; a program that the process
    executes does not. Only Linux has it.
    """
    if sys.platform == "linux" and ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        _log.warning("other processes of this user can read the memory of this one: prctl is not permitted")
