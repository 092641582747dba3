"""Addresses and ports that a server listens on."""

import errno
import socket
import time

from .settings import SettingsError

_RELEASE_SECONDS = 3.0
_PAUSE = 0.1


def numeric_address(host: str) -> str:
    """Resolves the name to an address, an IPv4 one if there are both. Raises `OSError`."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return str(min(found)[4][0])


def check_port(prefix: str, host: str, port: int) -> None:
    """Checks that this process can listen there. Raises `SettingsError`, which names `<prefix>HOST` or `<prefix>PORT`.

    It tries for three seconds while another process listens there: a server that was just killed takes a moment to release the
    port. Two servers on one port would share its requests.
    """
    try:
        address = numeric_address(host)
    except OSError as error:
        raise SettingsError(f"VESTIBULE_{prefix}HOST: cannot resolve {host}: {error.strerror}.") from None
    deadline = time.monotonic() + _RELEASE_SECONDS
    while (fault := _bind_error(address, port)) is not None:
        if fault.errno != errno.EADDRINUSE or time.monotonic() >= deadline:
            name = "HOST" if fault.errno == errno.EADDRNOTAVAIL else "PORT"
            raise SettingsError(f"VESTIBULE_{prefix}{name}: cannot listen on {host}, port {port}: {fault.strerror}.")
        time.sleep(_PAUSE)


def _bind_error(address: str, port: int) -> OSError | None:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return error
    return None
