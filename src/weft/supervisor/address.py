"""Socket addresses as text, and the loopback addresses that instances may be given."""

from ipaddress import ip_address

LOOPBACK = "127.0.0.1"


def written(host: str) -> str:
    """A host as it stands before a colon: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def shown(host: str, port: int) -> str:
    """`host:port`."""
    return f"{written(host)}:{port}"


def is_ip(text: str) -> bool:
    """Whether it is an IP address, IPv6 without brackets."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def is_loopback(text: str) -> bool:
    """Whether it is an address that only this machine reaches."""
    return is_ip(text) and ip_address(text).is_loopback
