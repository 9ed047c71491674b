"""Which TLS the mesh speaks: versions, ciphers and key exchange, by name as Envoy knows them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TlsRules:
    """Of one kind of traffic. Nothing said: what `compile.tls` does by itself. `fips`: only what FIPS 140-3 approves."""

    minimum: str = ""
    ciphers: tuple[str, ...] = ()
    curves: tuple[str, ...] = ()
    fips: bool = False


NO_RULES = TlsRules()


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """`mesh` is for the mTLS between proxies, `others` for all other TLS that proxies speak."""

    mesh: TlsRules = TlsRules()
    others: TlsRules = TlsRules()


NO_SETTINGS = TlsSettings()
