"""Who the echo server is, and the words of its answers, whatever protocol carries them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who answers, and how: `status` and `delay` (seconds) hold for every answer, to play a bad instance."""

    service: str = "echo"
    version: str = ""
    instance: str = ""
    namespace: str = ""
    status: int = 200
    delay: float = 0.0

    def words(self) -> dict[str, Any]:
        """What every answer begins with."""
        return {
            "service": self.service,
            "version": self.version,
            "instance": self.instance,
            "namespace": self.namespace,
        }

    def answer(self, method: str, target: str, headers: Mapping[str, str], body_length: int, protocol: str) -> bytes:
        """The JSON that answers a request."""
        return msgspec.json.encode(
            self.words()
            | {
                "method": method,
                "path": target,
                "protocol": protocol,
                "peer": peer(headers.get("x-forwarded-client-cert", "")),
                "body_length": body_length,
                "headers": headers,
            }
        )

    def outcome(self, target: str) -> tuple[int, float]:
        """The status and the delay in seconds with which `target` is answered."""
        match target.split("?")[0].split("/"):
            case ["", "status", status] if status.isdigit() and 200 <= int(status) <= 599:
                return int(status), self.delay
            case ["", "delay", seconds] if seconds.replace(".", "", 1).isdigit():
                return self.status, float(seconds)
        return self.status, self.delay


def peer(certificate: str) -> str:
    """The SPIFFE ID in an `x-forwarded-client-cert` header (the nearest hop's); empty when there is none."""
    for element in reversed(certificate.split(",")):
        for pair in element.split(";"):
            name, _, value = pair.partition("=")
            if name.strip().lower() == "uri":
                return value.strip('"')
    return ""
