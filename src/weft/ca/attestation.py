"""Who may have which identity: join tokens for a node's first certificate, grants for what the node may then ask for.

A join token is used once, lives for minutes and names one node. The database holds only hashes, and using a token is
one atomic statement, so that of two who present it at the same instant, or before and after a crash, one is accepted. Whose
answer was lost may ask again: the token is good, while it lives, for the key that it was used for.
"""

import hashlib
import hmac
import re
import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from weft.identity import SpiffeId

SYSTEM_NAMESPACE = "weft-system"
CONTROL_PLANE = "weft-control-plane"
TOKEN_LIFE = timedelta(minutes=15)

_NODE = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\Z")
_PREFIX = "node."
_KEPT = timedelta(days=1)  # how long a spent token is remembered, to say «used» instead of «unknown»
_TABLE = """create table if not exists token (
  id text primary key, hash blob not null, node text not null, expires real not null, used real) without rowid"""
_WORKLOADS = "create table if not exists workload (subject text primary key, since real not null) without rowid"
_USES = "create table if not exists use (id text primary key, key blob not null) without rowid"


class RefusedToken(Exception):
    """Why a token was not accepted. For the log: the peer learns only that it was not."""


def node_identity(trust_domain: str, node: str) -> SpiffeId:
    """The identity of the agent of `node`."""
    return SpiffeId(trust_domain, SYSTEM_NAMESPACE, _PREFIX + node)


def control_plane_identity(trust_domain: str) -> SpiffeId:
    """The identity of the control plane's own servers."""
    return SpiffeId(trust_domain, SYSTEM_NAMESPACE, CONTROL_PLANE)


def node_name(identity: SpiffeId) -> str | None:
    """The node whose agent has `identity`; None for a workload's."""
    name = identity.service_account.removeprefix(_PREFIX)
    if identity.namespace != SYSTEM_NAMESPACE or name == identity.service_account or not is_node_name(name):
        return None
    return name


def subject(identity: SpiffeId) -> str:
    """What a workload's token is bound to: its SPIFFE ID without the trust domain. No node is called so."""
    return f"ns/{identity.namespace}/sa/{identity.service_account}"


def is_node_name(name: str) -> bool:
    """Whether a node may be called `name`: lower-case letters, digits, dots and dashes, as in DNS."""
    return bool(_NODE.match(name))


class Grants(Protocol):
    """What the operator granted to nodes."""

    def knows(self, node: str) -> bool:
        """Whether the node is (still) part of the mesh."""
        ...

    def may(self, node: str, namespace: str, service_account: str) -> bool:
        """Whether workloads with this identity may run on the node. Not asked for the system's own namespace."""
        ...


@dataclass(frozen=True, slots=True)
class NodeGrants:
    """Grants as a table: by node, pairs of namespace and service account; `*` stands for any."""

    by_node: Mapping[str, frozenset[tuple[str, str]]] = field(default_factory=dict)

    def knows(self, node: str) -> bool:
        """Whether the table has the node."""
        return node in self.by_node

    def may(self, node: str, namespace: str, service_account: str) -> bool:
        """Whether a pair of the node covers this one."""
        pairs = self.by_node.get(node, frozenset())
        return any(pair in pairs for pair in ((namespace, service_account), (namespace, "*"), ("*", service_account), ("*", "*")))


def may(grants: Grants, node: str, identity: SpiffeId) -> bool:
    """Whether `node` may have a certificate of `identity`. In the system's namespace only its own, whatever was granted."""
    if not grants.knows(node):
        return False
    if identity.namespace == SYSTEM_NAMESPACE:
        return node_name(identity) == node
    return grants.may(node, identity.namespace, identity.service_account)


@dataclass(frozen=True, slots=True)
class JoinTokens:
    """The tokens of one SQLite file. Calls block for a write to the disk. Several processes may share the file."""

    path: Path

    def create(self, node: str, now: datetime, life: timedelta = TOKEN_LIFE) -> str:
        """A new token for `node`: the only time that it is seen in full. ValueError for a name no node can have."""
        if not is_node_name(node):
            raise ValueError(f"a node's name has only lower-case letters, digits, dots and dashes: {node!r}")
        return self._created(node, now, life)

    def create_for(self, identity: SpiffeId, now: datetime, life: timedelta = TOKEN_LIFE) -> str:
        """A new token for a workload of `identity`, that no agent runs. ValueError for the system's own namespace."""
        if identity.namespace == SYSTEM_NAMESPACE:
            raise ValueError(f"nothing outside is of the namespace {SYSTEM_NAMESPACE}")
        return self._created(subject(identity), now, life)

    def _created(self, bound: str, now: datetime, life: timedelta) -> str:
        identifier, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        row = (identifier, _hash(secret), bound, (now + life).timestamp())
        with self._open() as database:
            database.execute("delete from token where expires < ?", ((now - _KEPT).timestamp(),))
            database.execute("delete from use where id not in (select id from token)")
            database.execute("insert into token (id, hash, node, expires) values (?, ?, ?, ?)", row)
        return f"{identifier}.{secret}"

    def bearer(self, token: str, now: datetime) -> str:
        """Whom a token is for: a node's name, or a workload's `subject`. It is not used up. Raises RefusedToken."""
        identifier, _, secret = token.partition(".")
        with self._open() as database:
            row = database.execute("select hash, node, expires, used from token where id = ?", (identifier[:32],)).fetchone()
            _check(row, secret, row[1] if row else "", now)
            return str(row[1])

    def has_joined(self, workload: str) -> bool:
        """Whether a workload of that `subject` joined with a token, and was not sent away since."""
        with self._open() as database:
            return database.execute("select 1 from workload where subject = ?", (workload,)).fetchone() is not None

    def send_away(self, workload: str) -> None:
        """Workloads of that `subject` renew no more, and its tokens are worth nothing."""
        with self._open() as database:
            database.execute("delete from workload where subject = ?", (workload,))
            database.execute("delete from token where node = ?", (workload,))
            database.execute("delete from use where id not in (select id from token)")

    def consume(self, token: str, node: str, now: datetime, key: bytes) -> None:
        """Uses up `token` for `node` (or a workload's `subject`) and its public `key`, whose owner has proven to be it. When it
        returns, nobody else can use it again. Raises RefusedToken."""
        identifier, _, secret = token.partition(".")
        with self._open() as database:
            query = "select hash, node, expires, used from token where id = ?"
            row = database.execute(query, (identifier[:32],)).fetchone()
            _check(row, secret, node, now)
            spent = hashlib.sha256(key).digest()
            take = "update token set used = ? where id = ? and used is null"
            if database.execute(take, (now.timestamp(), identifier)).rowcount:
                database.execute("insert into use (id, key) values (?, ?)", (identifier, spent))
                if "/" in node:
                    database.execute("insert or ignore into workload (subject, since) values (?, ?)", (node, now.timestamp()))
            if database.execute("select key from use where id = ?", (identifier,)).fetchone() != (spent,):
                raise RefusedToken("the token was used before")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A transaction, committed at the end; `immediate`, so that reading and writing are one step."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.touch(mode=0o600, exist_ok=True)
        database = sqlite3.connect(self.path, timeout=5, isolation_level=None)
        try:
            database.execute("pragma synchronous = full")
            database.execute("begin immediate")
            database.execute(_TABLE)
            database.execute(_USES)
            database.execute(_WORKLOADS)
            yield database
            database.execute("commit")
        finally:
            database.close()  # without a commit: rolled back


def _check(row: tuple[bytes, str, float, float | None] | None, secret: str, node: str, now: datetime) -> None:
    stored = row[0] if row else _hash("")  # compare all the same: an unknown id takes as long as a wrong secret
    if not hmac.compare_digest(stored, _hash(secret)) or row is None:
        raise RefusedToken("the token is unknown")
    _, bound, expires, _ = row
    if bound != node:
        raise RefusedToken(f"the token is for {bound}" if "/" in bound else f"the token is for the node {bound}")
    if now.timestamp() >= expires:
        raise RefusedToken("the token expired")


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()  # of 256 random bits: no salt, no stretching
