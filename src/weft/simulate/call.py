"""A call as a proxy meets it: a request, or a connection whose bytes nobody reads."""

from dataclasses import dataclass
from urllib.parse import urlsplit

HeaderList = tuple[tuple[str, str], ...]
"""Names in lower case and values, in order; a name may be there several times."""


@dataclass(frozen=True, slots=True)
class HttpCall:
    """A request. `port` is the proxy's own port that is called, 0 its HTTP proxy. `sni` is the name that TLS asks for; empty
    without TLS. `certificate`: the caller has one that is trusted; it is for `subject`. `path` carries the query. `source` is the
    caller's address. `identity`: the SPIFFE ID that it shows in the mesh's own mTLS; empty outside it. `claims`: as JSON, of the
    token that it shows and that is accepted. `destination` and `trusts_forwarded` are the listener's: its address, and whether it
    believes what x-forwarded-for says."""

    authority: str
    path: str = "/"
    method: str = "GET"
    headers: HeaderList = ()
    port: int = 0
    sni: str = ""
    certificate: bool = False
    subject: str = ""
    source: str = "127.0.0.1"
    identity: str = ""
    claims: str = ""
    destination: str = "127.0.0.1"
    trusts_forwarded: bool = True

    @property
    def scheme(self) -> str:
        """What is spoken to the proxy."""
        return "https" if self.sni else "http"

    @property
    def server_name(self) -> str:
        """What TLS asks for, the mesh's own too."""
        return self.sni

    @property
    def remote(self) -> str:
        """The address that the call is taken to come from: what the last proxy before says, where it is believed."""
        said = [value for name, value in self.headers if name == "x-forwarded-for"] if self.trusts_forwarded else []
        return said[-1].rpartition(",")[2].strip() if said else self.source


@dataclass(frozen=True, slots=True)
class TcpCall:
    """A connection to the proxy's own `port`, or, with 0, a tunnel to `authority` (`host:port`) through its HTTP proxy. `sni` is
    the name that TLS asks for; empty without TLS. `source` is the caller's address. `identity` as of a request."""

    authority: str = ""
    port: int = 0
    sni: str = ""
    certificate: bool = False
    subject: str = ""
    source: str = "127.0.0.1"
    identity: str = ""
    destination: str = "127.0.0.1"

    @property
    def server_name(self) -> str:
        """What TLS asks for."""
        return self.sni

    @property
    def remote(self) -> str:
        """The address that the call comes from."""
        return self.source


Call = HttpCall | TcpCall


def http_call(
    method: str,
    url: str,
    headers: HeaderList = (),
    *,
    port: int = 0,
    certificate: bool = False,
    subject: str = "",
) -> HttpCall:
    """The request for `url`, sent to the proxy's own `port`; an https one asks for its host by SNI."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    sni = (parts.hostname or "") if parts.scheme == "https" else ""
    pairs = tuple((name.lower(), value) for name, value in headers)
    return HttpCall(parts.netloc, path, method, pairs, port, sni, certificate, subject)
