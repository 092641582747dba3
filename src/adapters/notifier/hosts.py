"""Host names in URLs of next hops."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Returns whether the host is this machine: data that is sent there crosses no network."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
