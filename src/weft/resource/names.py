"""The forms of names: RFC 1123 labels and host names, label keys and values, addresses. Each function answers what is
wrong, empty when nothing is."""

import re
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", re.ASCII)
_LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?", re.ASCII)
_HOST_PART = re.compile(r"[A-Za-z0-9_]([-A-Za-z0-9_]*[A-Za-z0-9_])?", re.ASCII)
_QUALIFIED = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?", re.ASCII)
_LONGEST_NAME = 1024  # of a query parameter in Envoy; no server takes a longer header either
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)


def label(text: str) -> str:
    """A DNS label, as namespaces, ports and subsets are named."""
    if len(text) > 63:
        return f"{text[:20]}... is longer than 63 characters"
    if not _LABEL.fullmatch(text):
        return f"{text!r} is not a name: lower-case letters, digits and dashes, a letter or digit first and last"
    return ""


def service(text: str) -> str:
    """A DNS label that begins with a letter, as Services are named."""
    if not label(text) and not _LABEL_1035.fullmatch(text):
        return f"{text!r} is not a service's name: it must begin with a letter"
    return label(text)


def subdomain(text: str) -> str:
    """Labels with dots between them, as most resources are named."""
    if len(text) > 253:
        return f"{text[:20]}... is longer than 253 characters"
    if not all(_LABEL.fullmatch(part) for part in text.split(".")):
        return f"{text[:80]!r} is not a name: lower-case letters, digits, dashes and dots, a letter or digit first and last"
    return ""


def host(text: str) -> str:
    """A host name without a wildcard: one label or more."""
    if not text:
        return "a host may not be empty"
    if len(text) > 253:
        return f"{text[:20]}... is longer than 253 characters"
    if "://" in text or "/" in text:
        return f"{text[:80]!r} is not a host name: it has a scheme or a path"
    if re.search(r":\d+$", text) and not is_ip(text):
        return f"{text[:80]!r} is not a host name: it has a port"
    parts = text.removesuffix(".").split(".")
    if not all(_HOST_PART.fullmatch(part) and len(part) <= 63 for part in parts):
        return f"{text[:80]!r} is not a host name"
    return ""


def wildcard_host(text: str) -> str:
    """A host name, or `*`, or one whose first label is `*` or begins with it."""
    if text == "*":
        return ""
    rest = text[1:].removeprefix(".").removeprefix("-") if text.startswith("*") else text
    if "*" in rest or (text.startswith("*") and not rest):
        return f"{text[:80]!r} is not a host name: a wildcard stands alone or first, as in *.example.com"
    return host(rest)


def server_name(text: str) -> str:
    """A host name as TLS tells it (SNI): Envoy knows a wildcard only as a whole first label."""
    if text != "*" and text.startswith("*") and not text.startswith("*."):
        return f"{text[:80]!r} is not for TLS: its wildcard stands for a whole label, as in *.example.com"
    return wildcard_host(text)


def is_ip(text: str) -> bool:
    """Whether `text` is an IPv4 or IPv6 address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def network(text: str) -> str:
    """An IP address or a range of them (`10.0.0.0/8`)."""
    try:
        ip_network(text, strict=False)
    except ValueError:
        return f"{text[:80]!r} is neither an IP address nor a range such as 10.0.0.0/8"
    return ""


def label_key(text: str) -> str:
    """The key of a label or annotation: a name, perhaps with a domain and a slash before it."""
    prefix, slash, name = text.rpartition("/")
    if slash and subdomain(prefix):
        return f"{text[:80]!r} is not a label's key: what stands before the slash is a DNS name"
    if not _QUALIFIED.fullmatch(name) or len(name) > 63:
        return f"{text[:80]!r} is not a label's key: letters, digits, dashes, dots and underscores, at most 63"
    return ""


def label_value(text: str) -> str:
    """The value of a label; it may be empty."""
    if text and (len(text) > 63 or not _QUALIFIED.fullmatch(text)):
        return f"{text[:80]!r} is not a label's value: letters, digits, dashes, dots and underscores, at most 63"
    return ""


def query_parameter(text: str) -> str:
    """The name of a query parameter."""
    if not text:
        return "a query parameter has a name"
    return f"{text[:20]}... is longer than {_LONGEST_NAME} characters" if len(text.encode()) > _LONGEST_NAME else ""


def web_address(text: str) -> str:
    """A URL of HTTP or HTTPS with a host."""
    try:
        parts = urlsplit(text)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    return "" if whole and text.isascii() and text.isprintable() and " " not in text else f"{text[:80]!r} is not a URL"


def header(text: str) -> str:
    """The name of a header (RFC 9110, section 5.1)."""
    if len(text) > _LONGEST_NAME:
        return f"{text[:20]}... is longer than {_LONGEST_NAME} characters"
    if not _HEADER.fullmatch(text):
        return f"{text[:80]!r} is not a header's name"
    return ""
