"""Join tokens and grants."""

import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from weft.ca.attestation import JoinTokens, NodeGrants, RefusedToken, control_plane_identity, may, node_identity, node_name
from weft.identity import SpiffeId

from .authorities import NOW

KEY = b"a public key"


def test_a_token_is_accepted_once(tmp_path: Path) -> None:
    """Whoever shows it a second time, with a key of their own, is told so."""
    tokens = JoinTokens(tmp_path / "tokens.db")
    token = tokens.create("web", NOW)
    tokens.consume(token, "web", NOW, KEY)
    with pytest.raises(RefusedToken, match="used before"):
        tokens.consume(token, "web", NOW, b"another")


def test_whose_answer_was_lost_may_ask_again(tmp_path: Path) -> None:
    """A used token is good for the key that it was used for, while it lives, and for no other."""
    tokens = JoinTokens(tmp_path / "tokens.db")
    token = tokens.create("web", NOW, timedelta(minutes=5))
    tokens.consume(token, "web", NOW, KEY)
    tokens.consume(token, "web", NOW + timedelta(minutes=4), KEY)
    with pytest.raises(RefusedToken, match="used before"):
        tokens.consume(token, "web", NOW, b"another")
    with pytest.raises(RefusedToken, match="expired"):
        tokens.consume(token, "web", NOW + timedelta(minutes=5), KEY)


def test_a_token_is_for_one_node_for_a_while(tmp_path: Path) -> None:
    """Refusing another node or a wrong secret does not use it up."""
    tokens = JoinTokens(tmp_path / "tokens.db")
    token = tokens.create("web", NOW, timedelta(minutes=5))
    for wrong, node, now, why in (
        (token, "db", NOW, "for the node web"),
        (token + "x", "web", NOW, "unknown"),
        ("", "web", NOW, "unknown"),
        (token, "web", NOW + timedelta(minutes=5), "expired"),
    ):
        with pytest.raises(RefusedToken, match=why):
            tokens.consume(wrong, node, now, KEY)
    tokens.consume(token, "web", NOW + timedelta(minutes=4), KEY)


def test_the_file_holds_no_secret(tmp_path: Path) -> None:
    """Who reads a backup cannot join."""
    path = tmp_path / "tokens.db"
    token = JoinTokens(path).create("web", NOW)
    assert token.partition(".")[2].encode() not in path.read_bytes() and path.stat().st_mode & 0o077 == 0


def test_of_many_who_present_a_token_at_once_one_is_accepted(tmp_path: Path) -> None:
    """Using it up is one atomic step."""
    tokens = JoinTokens(tmp_path / "tokens.db")
    token = tokens.create("web", NOW)

    def accepted(number: int) -> bool:
        try:
            tokens.consume(token, "web", NOW, b"key of %d" % number)
        except RefusedToken:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(accepted, range(16))) == 1


def test_a_token_stays_used_when_the_process_is_killed_right_after(tmp_path: Path) -> None:
    """A crash cannot make it good again."""
    tokens = JoinTokens(tmp_path / "tokens.db")
    token = tokens.create("web", NOW)
    program = (
        "import os, signal, sys; from pathlib import Path; from datetime import datetime\n"
        "from weft.ca.attestation import JoinTokens\n"
        "JoinTokens(Path(sys.argv[1])).consume(sys.argv[2], 'web', datetime.fromisoformat(sys.argv[3]), b'other')\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program, tokens.path, token, NOW.isoformat()], env=dict(os.environ))
    assert done.returncode == -signal.SIGKILL
    with pytest.raises(RefusedToken, match="used before"):
        tokens.consume(token, "web", NOW, KEY)


def test_spent_tokens_are_forgotten_after_a_day(tmp_path: Path) -> None:
    """The file does not grow for ever."""
    tokens = JoinTokens(tmp_path / "tokens.db")
    tokens.create("a", NOW)
    tokens.create("b", NOW + timedelta(days=2))
    with sqlite3.connect(tokens.path) as database:
        assert database.execute("select node from token").fetchall() == [("b",)]


def test_a_node_may_have_what_it_was_granted_and_its_own_identity() -> None:
    """A star stands for any; the system's namespace is never granted."""
    grants = NodeGrants({"n": frozenset({("default", "reviews"), ("data", "*")}), "all": frozenset({("*", "*")})})

    def ask(node: str, namespace: str, account: str) -> bool:
        return may(grants, node, SpiffeId("cluster.local", namespace, account))

    assert ask("n", "default", "reviews") and ask("n", "data", "db") and ask("all", "default", "ratings")
    assert not ask("n", "default", "ratings") and not ask("stranger", "default", "reviews")
    assert may(grants, "n", node_identity("cluster.local", "n"))
    for other in (node_identity("cluster.local", "n"), control_plane_identity("cluster.local")):
        assert not may(grants, "all", other)


def test_only_a_nodes_identity_has_a_node() -> None:
    """Neither a workload that is called so elsewhere, nor a name that no node can have."""
    assert node_name(node_identity("cluster.local", "web-1.a")) == "web-1.a"
    for namespace, account in (("default", "node.a"), ("weft-system", "a"), ("weft-system", "node."), ("weft-system", "node._")):
        assert node_name(SpiffeId("cluster.local", namespace, account)) is None
