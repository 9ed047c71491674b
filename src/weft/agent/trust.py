"""Whom the workloads of this node trust: the roots and token keys of the mesh, and those of the domains it is federated with.

The roots of the mesh come with certificates and registration; the rest is told on its own when it changes, and kept on disk, so
that an agent that starts while the control plane is away knows it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError

from weft.agent.identity import write_private
from weft.proto import node_pb2
from weft.trust_bundle import TrustBundle, trust_bundle

NO_KEYS = b'{"keys":[]}'


@dataclass(frozen=True, slots=True)
class Domain:
    """A trust domain: its roots, and the key set (JSON) of its JWT-SVIDs."""

    roots: TrustBundle
    jwks: bytes = NO_KEYS

    @property
    def name(self) -> str:
        """As it stands in SPIFFE IDs."""
        return self.roots.trust_domain


@dataclass(frozen=True, slots=True)
class Trust:
    """The mesh's own domain, further names of it, and the domains that are federated."""

    own: Domain
    aliases: tuple[str, ...] = ()
    federated: tuple[Domain, ...] = ()

    @property
    def domains(self) -> Mapping[str, Domain]:
        """Each domain by its name. Under an alias it is the mesh's own."""
        return {
            **{domain.name: domain for domain in self.federated},
            **{alias: Domain(TrustBundle(alias, self.own.roots.roots), self.own.jwks) for alias in self.aliases},
            self.own.name: self.own,
        }


def trust(own: TrustBundle, told: node_pb2.Trust) -> Trust:
    """The mesh's roots, and what the control plane told of the rest. A domain whose roots cannot be read is left out."""
    return Trust(Domain(own, told.jwks or NO_KEYS), tuple(told.aliases), tuple(_domains(told)))


def _domains(told: node_pb2.Trust) -> Iterator[Domain]:
    for each in told.federated:
        try:
            yield Domain(trust_bundle(each.trust_domain, each.bundle), each.jwks or NO_KEYS)
        except ValueError:
            continue


class KeptTrust:
    """What was told last, on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.told = node_pb2.Trust()

    def read(self) -> None:
        """Takes what an earlier run kept."""
        try:
            self.told = node_pb2.Trust.FromString(self._path.read_bytes())
        except (OSError, DecodeError):
            self.told = node_pb2.Trust()

    def take(self, told: node_pb2.Trust) -> bool:
        """Keeps it; whether it is new."""
        if told == self.told:
            return False
        write_private(self._path, told.SerializeToString(deterministic=True))
        self.told = told
        return True
